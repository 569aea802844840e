"""The program described as data, read off its own commands: for the manual page and the docs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import typer

from tether.cli import app
from tether.cli.kinds import TyperObject
from tether.errors import TetherError

EXIT_CODES: dict[int, str] = {
    0: "Good. A closed pipe is a success.",
    1: "A bug of tether, or the output cannot be written (a full disk).",
    2: "Usage: a flag, an argument, an environment variable or an input row is wrong.",
    3: "A schema, grammar, profile, document or graph was refused.",
    4: "No legal output exists.",
    5: "The token limit came first; nothing was printed unless --partial or --stream. Or no output "
    "fits into the limit; the message gives the number needed.",
    6: "A batch ended with failed rows.",
    7: "A model, a device or an index cannot be had.",
    8: "Abstained: the evidence does not carry the answer.",
    130: "Interrupted.",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option or argument as the help shows it."""

    title: str
    names: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command as the help shows it."""

    path: str
    usage: str
    text: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first line of the text."""
        return self.text.split("\n", 1)[0]


def root_help() -> str:
    """What `tether --help` writes into a pipe, 80 columns less Typer's margin of two."""
    root = app.build()
    return typer.Context(root, info_name="tether", terminal_width=78).get_help() + "\n"


def commands() -> Iterator[Command]:
    """Every command, groups before their members."""
    root = app.build()
    context = typer.Context(root, info_name="tether")
    yield from _walk(root, context)


def errors() -> Iterator[type[TetherError]]:
    """Every error class, parents before children."""
    waiting: list[type[TetherError]] = [TetherError]
    while waiting:
        kind = waiting.pop(0)
        if kind.__module__ == "tether.errors":
            yield kind
        waiting[:0] = kind.__subclasses__()


def _walk(command: TyperObject, context: TyperObject) -> Iterator[Command]:
    yield _describe(command, context)
    for name in getattr(command, "commands", {}):
        child = command.commands[name]
        yield from _walk(child, typer.Context(child, parent=context, info_name=name))


def _describe(command: TyperObject, context: TyperObject) -> Command:
    options = []
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is not None:
            argument = param.param_type_name == "argument"
            panel = "Arguments" if argument else getattr(param, "rich_help_panel", None)
            options.append(Option(panel or "Options", *record))
    examples = (command.epilog or "").strip().splitlines()
    return Command(
        path=context.command_path,
        usage=" ".join(command.get_usage(context).split()).removeprefix("Usage: "),
        text=inspect.cleandoc(command.help or ""),
        options=tuple(options),
        examples=tuple(line.strip() for line in examples),
    )
