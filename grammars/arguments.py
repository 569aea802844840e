"""What a user typed for a schema or a grammar -> its text: a file, JSON, the short syntax, ..."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from tether.errors import SchemaError, UsageError

_SCHEMA_FILES = (".json", ".schema", ".jsonschema", ".txt")
_GRAMMAR_FILES = (".lark", ".gbnf", ".ebnf", ".txt")


def read_schema_argument(argument: str | dict[str, Any] | bool, base_dir: Path) -> tuple[str, str]:
    """JSON text of a schema and where it came from.

    A text is a file where it ends like one, begins with @, or is one; JSON where it begins with
    { or [ or is true or false; else the short syntax. A file's text is read by the same rule.
    """
    from tether.grammars.json_schema.source import read_schema

    if not isinstance(argument, str):
        return read_schema(argument)[1], ""
    path = _file(argument, base_dir, _SCHEMA_FILES)
    if path is None:
        return _schema_text(argument), ""
    text = _read(path, argument)
    try:
        if path.suffix == ".json":
            return read_schema(text)[1], argument
        return _schema_text(text), argument
    except SchemaError as error:
        raise SchemaError(
            f"{argument}: {error.message}",
            hint=error.hint,
            pointer=error.pointer,
            excerpt=error.excerpt,
        ) from error


def read_grammar_argument(
    argument: str, base_dir: Path
) -> tuple[Literal["lark", "gbnf"], str, str]:
    """Kind, text and source of a grammar: by the file's name, else by how its rules look."""
    path = _file(argument, base_dir, _GRAMMAR_FILES)
    text = _read(path, argument) if path else argument
    if path and path.suffix in (".lark", ".gbnf"):
        return ("lark" if path.suffix == ".lark" else "gbnf"), text, argument
    return grammar_kind(text), text, argument if path else ""


def grammar_kind(text: str) -> Literal["lark", "gbnf"]:
    """What language a grammar is written in, by how its rules look."""
    is_gbnf = re.search(r"^\s*[A-Za-z][\w-]*\s*::=", text, re.MULTILINE)
    return "gbnf" if is_gbnf else "lark"


def _schema_text(text: str) -> str:
    from tether.grammars.json_schema.short import parse_short
    from tether.grammars.json_schema.source import read_schema

    stripped = text.strip()
    if stripped.startswith(("{", "[")) or stripped in ("true", "false"):
        return read_schema(text)[1]
    return json.dumps(parse_short(text), ensure_ascii=False)


def _file(argument: str, base_dir: Path, endings: tuple[str, ...]) -> Path | None:
    """The file that an argument names, or None where it is a text."""
    name = argument.strip().removeprefix("@")
    if not name or "\n" in name or len(name) > 1000 or name.startswith(("{", "[")):
        return None
    path = base_dir / Path(name).expanduser()
    if argument.strip().startswith("@") or (name.endswith(endings) and " " not in name):
        return path
    try:
        return path if path.is_file() else None
    except OSError:  # a text too long or too odd to be a name
        return None


def _read(path: Path, argument: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {argument}.", hint=_near(path, argument)) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{argument} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.",
            hint="Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise UsageError.from_os(f"{argument} cannot be read", error) from error


def _near(path: Path, argument: str) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"There is no folder {path.parent} either."
    near = get_close_matches(path.name, names, n=1, cutoff=0.6)
    return (
        f"Did you mean {argument[: -len(path.name)]}{near[0]}?"
        if near
        else "Check the name and the folder."
    )
