"""`tether json`: one prompt to JSON that satisfies a schema."""

from __future__ import annotations

from tether.cli import options
from tether.cli.kinds import SettingValue
from tether.cli.options import KeyOption, ProfileOption, PromptArgument, VarOption, takes

EXAMPLES = """
tether json "Lena Vogel, born 14 June 1990, lives in Graz." --schema "name, born date, city"
tether json --schema invoice.schema.json < mail.txt
tether json @mail.txt --schema invoice.schema.json --field items -o csv
tether json "Who is the customer?" --schema "customer" --evidence @mail.txt
tether json @note.txt --type myapp.models:Person --pretty
"""


@takes(
    *(options.JSON, options.PROMPT, options.SAMPLING, options.OUTPUT),
    *(options.MODEL, options.SERVER),
)
def run(
    prompt: PromptArgument = None,
    profile: ProfileOption = None,
    var: VarOption = None,
    key: KeyOption = "",
    **flags: SettingValue,
) -> None:
    """Write JSON that satisfies a schema.

    stdout gets the JSON alone, one line and one newline; it is checked against the schema before
    it is printed, and nothing is printed when it could not be finished. With --stream text the
    text goes out as it comes, so a token limit then leaves a part of it (exit code 5).
    """
    from tether.cli.single import Given, generate

    generate(Given(prompt, profile, var, key), flags, is_json=True)
