"""The `tether` program: its commands, and the one place where errors become exit codes.

Imports only Typer; each command's module loads when it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache, partial
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from tether import __version__
from tether.cli import streams
from tether.cli.command_classes import LazyCommands, RootGroup, load_command
from tether.cli.kinds import TyperObject
from tether.errors import OutputError, TetherError, UsageError

PANELS: dict[str, dict[str, str]] = {
    "Generate": {
        "json": "Write JSON that satisfies a schema.",
        "text": "Write text: free, or by a regex, choices or a grammar.",
        "sparql": "Write a query of a graph, and run it.",
        "batch": "Run many rows; resumable, every failure accounted for.",
        "serve": "Keep a model warm for other commands, and answer OpenAI's HTTP requests.",
    },
    "Prepare": {
        "index": "Build, change and search indexes of your own files.",
        "graph": "Build graphs from RDF files, look into them, and run reading queries.",
        "check": "Check schemas, grammars, regexes and profiles; loads no model.",
        "profile": "List, show, write and check the profiles of tether.toml.",
        "paths": "Show where settings, caches and models are.",
        "man": "Print the manual page.",
    },
}
"""The commands by group, with the first line of their help."""

EXAMPLES = """
tether json "Lena Vogel, born 14 June 1990, lives in Graz." --schema "name, born date, city"
tether json --schema invoice.schema.json < mail.txt
tether text "Is this spam? You won a prize!" --choice yes --choice no
tether batch rows.jsonl -o out.jsonl --errors errors.jsonl
"""

_DEBUG = ContextVar("debug", default=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        streams.write_line(f"tether {__version__}")
        raise Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (TETHER_DEBUG=1).")
    ] = False,
) -> None:
    """Make a language model say only what may be said: JSON by a schema, or text by a grammar.

    What is printed always satisfies the constraint, whatever the model. stdout is data, stderr is
    for people; exit codes are listed in `tether man`.
    """
    _DEBUG.set(_DEBUG.get() or debug)


@cache
def build(markup: TyperObject = None) -> RootGroup:
    """The root command with its lazy commands, made once: a server runs many command lines."""
    app = typer.Typer(rich_markup_mode=markup, cls=RootGroup)
    app.callback(epilog=EXAMPLES)(_root)
    group = typer.main.get_command(app)
    assert isinstance(group, RootGroup)
    names = [name for entries in PANELS.values() for name in entries]
    group.commands = LazyCommands({name: partial(load_command, name, markup) for name in names})
    group.panels = PANELS
    return group


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        0 good (a closed pipe too), 1 internal or unwritable output, 2 usage, 3 refused, 4 no legal
        output, 5 limit, 6 failed rows, 7 unavailable, 8 abstained, 130 interrupted.
    """
    _DEBUG.set(bool(os.environ.get("TETHER_DEBUG")))
    try:
        code = _invoke(list(args) or ["--help"])
        with streams.to_stdout():
            if sys.stdout is not None:
                sys.stdout.flush()
    except (streams.ClosedPipe, BrokenPipeError):
        streams.silence_stdout()
        return 0
    except KeyboardInterrupt:
        streams.complain("Interrupted.")
        return 130
    except Abort:
        return 130
    except TyperException as error:
        return _refuse_usage(error)
    except TetherError as error:
        return _report(error)
    except OSError as error:
        return _report_os(error)
    except Exception as error:
        return _report_bug(error)
    return code


def _invoke(args: list[str]) -> int:
    group = build("rich" if _wants_rich() else None)
    if "_TETHER_COMPLETE" in os.environ:
        group.main(args, "tether")  # answers the shell and leaves
    try:
        with group.make_context("tether", args) as context:
            group.invoke(context)
    except Exit as error:
        return error.exit_code
    return 0


def _wants_rich() -> bool:
    """Rich help costs 80 ms: only for a person at a terminal."""
    return streams.is_terminal(sys.stdout) and "_TETHER_COMPLETE" not in os.environ


def _refuse_usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "tether"
    if type(error).__name__ == "NoArgsIsHelpError":
        streams.say(error.format_message())
        return error.exit_code
    streams.complain(error.format_message(), f"Try `{path} --help`.")
    return UsageError.exit_code


def _report(error: TetherError) -> int:
    if _DEBUG.get():
        _traceback()
    detail = "\n".join(part for part in (error.excerpt, error.hint) if part)
    streams.complain(error.message, detail)
    return error.exit_code


def _report_os(error: OSError) -> int:
    """A file or a stream that failed where nobody foresaw it, such as help on a full disk."""
    streams.silence_stdout()
    if isinstance(error, FileNotFoundError) and error.filename is None:  # as os.getcwd() says it
        return _report(
            OutputError.from_os(
                "The working folder cannot be used", error, hint="Go to another (cd)."
            )
        )
    return _report(
        OutputError.from_os(f"{error.filename or 'Standard output'} cannot be used", error)
    )


def _report_bug(error: Exception) -> int:
    if _DEBUG.get():
        _traceback()
    streams.complain(
        f"Internal error: {type(error).__name__}: {error}",
        "This is a bug of tether. Run it again with `tether --debug ...` and report what it says.",
    )
    return 1


def _traceback() -> None:
    import traceback

    streams.say(traceback.format_exc().rstrip())
