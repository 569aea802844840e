"""Typer's command classes with our help: grouped options, examples as written, lazy commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tether.cli.kinds import TyperObject


class ExampleCommand(TyperCommand):
    """A command whose epilog is a list of examples, printed line by line."""

    def format_epilog(self, ctx: TyperObject, formatter: TyperObject) -> None:
        """Write the examples without wrapping them."""
        write_examples(self.epilog, formatter)

    def format_options(self, ctx: TyperObject, formatter: TyperObject) -> None:
        """Write the options under the headings of their groups."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                argument = param.param_type_name == "argument"
                panel = getattr(param, "rich_help_panel", None)
                title = "Arguments" if argument else str(panel or "Options")
                panels.setdefault(title, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_help(self, ctx: TyperObject, formatter: TyperObject) -> None:
        """Write the help; the rich form prints at once, so the examples follow it."""
        if self.rich_markup_mode is None:
            super().format_help(ctx, formatter)
            return
        epilog, self.epilog = self.epilog, None
        try:
            super().format_help(ctx, formatter)
        finally:
            self.epilog = epilog
        write_examples(epilog, formatter)

    def parse_args(self, ctx: TyperObject, args: list[str]) -> list[str]:
        """Take `--think=TEXT` for the two options it is: think, and up to TEXT."""
        return super().parse_args(ctx, list(_split_think(args)))


def write_examples(examples: str | None, formatter: TyperObject) -> None:
    """Write example lines under their heading."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")


def _split_think(args: list[str]) -> Iterator[str]:
    for position, arg in enumerate(args):
        if arg == "--":
            yield from args[position:]
            return
        if arg.startswith("--think="):
            yield from ("--think-until", arg.removeprefix("--think="))
        else:
            yield arg


class LazyCommands(MutableMapping[str, Any]):
    """The commands of a group by name, each imported when it is asked for."""

    def __init__(self, loaders: dict[str, Callable[[], Any]]) -> None:
        self._loaders = loaders
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> TyperObject:
        """The command; imports its module the first time."""
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def __setitem__(self, name: str, command: TyperObject) -> None:
        """Add a command that is there already."""
        self._loaded[name] = command
        self._loaders.setdefault(name, lambda: command)

    def __delitem__(self, name: str) -> None:
        """Take a command away."""
        del self._loaders[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        """The names, nothing imported."""
        return iter(self._loaders)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._loaders)


def load_command(path: str, markup: TyperObject) -> TyperObject:
    """Build the command of `tether.cli.commands.PATH`: its `run`, or a group of its `COMMANDS`.

    `COMMANDS` are functions by name or, in a package, the names of commands with a module each.
    """
    module = import_module(f"tether.cli.commands.{path.replace('-', '_')}")
    name = path.rpartition(".")[2]
    app = typer.Typer(rich_markup_mode=markup, add_completion=False, no_args_is_help=True)
    if not hasattr(module, "COMMANDS"):
        app.command(name, cls=ExampleCommand, epilog=module.EXAMPLES)(module.run)
        return typer.main.get_command(app)
    if not isinstance(module.COMMANDS, tuple):
        for child, function in module.COMMANDS.items():
            app.command(child, cls=ExampleCommand, epilog=module.EXAMPLES[child])(function)
    app.callback(help=module.__doc__)(lambda: None)
    group: TyperObject = typer.main.get_command(app)
    group.name = name
    if isinstance(module.COMMANDS, tuple):
        group.commands = LazyCommands(
            {child: partial(load_command, f"{path}.{child}", markup) for child in module.COMMANDS}
        )
    return group


class RootGroup(TyperGroup):
    """The root: lists its commands by group without importing them."""

    panels: dict[str, dict[str, str]]

    def format_commands(self, ctx: TyperObject, formatter: TyperObject) -> None:
        """Write the commands under the headings of their groups."""
        for title, entries in self.panels.items():
            with formatter.section(title):
                formatter.write_dl(list(entries.items()))

    def format_epilog(self, ctx: TyperObject, formatter: TyperObject) -> None:
        """Write the examples without wrapping them."""
        write_examples(self.epilog, formatter)
