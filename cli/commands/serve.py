"""`tether serve`: a resident process that keeps a model warm."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.cli import options
from tether.cli.kinds import SettingValue
from tether.cli.options import ProfileOption, takes

EXAMPLES = """
tether serve
tether serve --model Qwen/Qwen3-0.6B --slots 32
tether serve --tcp 127.0.0.1:8000
"""


@takes(options.SAMPLING, ("system", "slots"), options.MODEL)
def run(
    tcp: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Answer HTTP on a loopback port too; asks for a token.",
        ),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http/--no-http", help="Answer OpenAI's HTTP requests.")
    ] = True,
    profile: ProfileOption = None,
    **flags: SettingValue,
) -> None:
    """Keep a model warm for other commands, and answer OpenAI's HTTP requests.

    While it runs, `tether json`, `text` and `sparql` with the same model are done by it, with the
    same output, messages and exit codes (--server never keeps them away). HTTP has
    /v1/chat/completions, /v1/completions and /v1/models, on a Unix socket that only you can reach;
    the options say how it answers where a request does not. It needs `tether[serve]`.
    """
    from tether.cli.config.settings import resolve
    from tether.cli.serve.listening import Address
    from tether.cli.serve.server import serve

    # What a schema of a request names elsewhere is never fetched, whatever a file says.
    resolved = resolve({**flags, "allow_remote": False}, profiles=profile or ())
    serve(resolved, None if tcp is None else Address.parse(tcp), http=http)
