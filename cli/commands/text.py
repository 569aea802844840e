"""`tether text`: one prompt to text, free or by a regex, choices or a grammar."""

from __future__ import annotations

from tether.cli import options
from tether.cli.kinds import SettingValue
from tether.cli.options import KeyOption, ProfileOption, PromptArgument, VarOption, takes

EXAMPLES = """
tether text "Which colour is the sky?" --choice blue --choice green --choice red
tether text "A date in March 2024:" --regex "2024-03-[0-3][0-9]"
tether text @question.txt --grammar answer.lark
tether text "Once upon a time" --stop "The end" --temperature 0.8 --seed 7
"""

_OUTPUT = ("envelope", "partial", "stream", "stats")


@takes(options.TEXT, options.PROMPT, options.SAMPLING, _OUTPUT, options.MODEL, options.SERVER)
def run(
    prompt: PromptArgument = None,
    profile: ProfileOption = None,
    var: VarOption = None,
    key: KeyOption = "",
    **flags: SettingValue,
) -> None:
    """Write text: free, or by a regex, choices or a grammar.

    At most one of --regex, --choice and --grammar says what may be said; free text ends at the
    model's end token or at a --stop text. With --stream text the text goes out as it comes, so a
    token limit then leaves a part of it (exit code 5).
    """
    from tether.cli.single import Given, generate

    generate(Given(prompt, profile, var, key), flags, is_json=False)
