"""The manual page in roff."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from tether import __version__
from tether.cli.config.meanings import MEANINGS
from tether.cli.describe import EXIT_CODES, Command, commands


def manual() -> str:
    """The whole page: commands, options, environment, exit codes. No date, so builds are equal."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    root, *others = commands()
    yield f'.TH TETHER 1 "" "tether {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "tether \\- constrained and grounded generation with language models"
    yield ".SH SYNOPSIS"
    yield f".B {_escape(root.usage)}"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(root.text)
    yield ".SH OPTIONS"
    yield from _options(root)
    yield ".SH COMMANDS"
    for command in others:
        yield from _command(command)
    yield ".SH ENVIRONMENT"
    yield "Every setting can be given as TETHER_ and its name in capitals:"
    yield ", ".join(f"TETHER_{key.upper()}" for key in MEANINGS) + "."
    yield "TETHER_PROFILE names profiles, TETHER_CONFIG_DIR and TETHER_CACHE_DIR directories;"
    yield "TETHER_DEBUG shows tracebacks; NO_COLOR and FORCE_COLOR decide about colours."
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", _escape(meaning))
    yield ".SH EXAMPLES"
    for example in root.examples:
        yield from (".PP", ".EX", _escape(example), ".EE")


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_escape(command.usage)}"
    yield from _paragraphs(command.text)
    yield from _options(command)
    for example in command.examples:
        yield from (".PP", ".EX", _escape(example), ".EE")


def _options(command: Command) -> Iterator[str]:
    for title, options in groupby(command.options, key=lambda option: option.title):
        yield from (".PP", f".I {_escape(title)}")
        for option in options:
            yield from (".TP", f".B {_escape(option.names)}", _escape(option.text))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from (".PP", _escape(" ".join(paragraph.split())))


def _escape(text: str) -> str:
    """Text that roff shows as it is: backslashes, hyphens, and no dot or quote at line starts."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe[:1] in (".", "'") else safe
