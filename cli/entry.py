"""Where the `tether` script begins: without Typer where that can be, all else through `app.py`.

Importing Typer is most of what `tether --help` costs, and completion scripts and editors ask for it
often. So its text lies ready in help.txt, which docs/generate.py writes and a test keeps fresh. And
what a running `tether serve` does costs little more than Python itself.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # while the program itself was still being loaded
        from tether.cli.streams import complain

        complain("Interrupted.")
        code = _INTERRUPTED
    # What is left is Python's own end, which Ctrl-C may cut short without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def _run(args: list[str]) -> int:
    if args in ([], ["--help"]) and _is_plain() and _print_help():
        return 0
    from tether.cli.serve.client import served

    if (code := served(args)) is not None:
        return code
    # torch's modules are a million objects that stay: looking them through again and again while
    # everything loads would take a tenth of a short command.
    gc.set_threshold(50_000, 20, 100)
    from tether.cli.app import run

    return run(args)


def _is_plain() -> bool:
    """Whether the help is for a pipe of the usual width, where it is always the same text."""
    asked = ("COLUMNS", "TERMINAL_WIDTH", "FORCE_COLOR", "_TETHER_COMPLETE")
    return not any(map(os.environ.get, asked)) and not (sys.stdout and sys.stdout.isatty())


def _print_help() -> bool:
    """Write help.txt to stdout; False leaves it, and what went wrong, to the whole program."""
    try:
        with open(os.path.join(os.path.dirname(__file__), "help.txt"), "rb") as file:
            sys.stdout.buffer.write(file.read())
        sys.stdout.flush()
    except (OSError, AttributeError):
        return False
    return True
