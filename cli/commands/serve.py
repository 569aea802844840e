"""`tether serve`: a resident process that keeps a model warm."""

from __future__ import annotations

from tether.cli import options
from tether.cli.kinds import SettingValue
from tether.cli.options import ProfileOption, takes

EXAMPLES = """
tether serve
tether serve --model Qwen/Qwen3-0.6B --slots 32
"""


@takes(("slots",), options.MODEL)
def run(
    profile: ProfileOption = None,
    **flags: SettingValue,
) -> None:
    """Keep a model warm for other commands.

    While it runs, `tether json`, `text` and `sparql` with the same model are done by it, with the
    same output, messages and exit codes (--server never keeps them away). Stop it by Ctrl-C.
    """
    from tether.cli.config.settings import resolve
    from tether.cli.serve.server import serve

    resolved = resolve(flags, profiles=profile or ())
    serve(resolved)
