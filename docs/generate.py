"""Writes docs/reference from the program itself; `--check` says what is stale.

python docs/generate.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tether.cli.config.meanings import GROUPS, flag
from tether.cli.config.settings_model import ROW_KEYS, Settings, field_name
from tether.cli.config.toml_schema import toml_schema
from tether.cli.describe import EXIT_CODES, Command, commands, errors, root_help
from tether.cli.output_model import output_schema
from tether.decoding.grounds import parse as grounds
from tether.decoding.options import options as options_of
from tether.decoding.terms import parse as contrasts
from tether.decoding.terms.term import roles

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made by docs/generate.py from the program; edit that instead. -->\n\n"


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    return {
        "commands.md": NOTE + "\n".join(_commands()),
        "settings.md": NOTE + "\n".join(_settings()),
        "contrast.md": NOTE + "\n".join(_contrast()),
        "grounding.md": NOTE + "\n".join(_grounding()),
        "exit-codes.md": NOTE + "\n".join(_exit_codes()),
        "errors.md": NOTE + "\n".join(_errors()),
        "output.schema.json": _json(output_schema()),
        "tether.toml.schema.json": _json(toml_schema()),
        "../../cli/help.txt": root_help(),
    }


def stale() -> list[str]:
    """Names of the pages that are not what the program says now."""
    return [name for name, text in pages().items() if _read(REFERENCE / name) != text]


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    for command in commands():
        yield from _command(command)


def _command(command: Command) -> Iterator[str]:
    yield f"## `{command.path}`\n"
    yield f"```\n{command.usage}\n```\n"
    yield f"{command.text}\n"
    for title, options in groupby(command.options, key=lambda option: option.title):
        yield f"{title}:\n"
        for option in options:
            yield f"- `{option.names}`: {option.text}"
        yield ""
    if command.examples:
        yield "Examples:\n\n```sh\n" + "\n".join(command.examples) + "\n```\n"


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield (
        "Each setting is a flag, a `TETHER_` variable in capitals, and a key of `tether.toml` "
        "(or of `[tool.tether]` in `pyproject.toml`), plain or in a `[profiles.NAME]` table.\n"
    )
    yield (
        "The strongest wins: flag, variable, profiles (later `-p` first), plain keys of the "
        "nearest file upwards, the user's own `tether.toml`, default. Of `schema`, `type`, "
        "`regex`, `choices` and `grammar` the strongest layer that names one decides.\n"
    )
    yield "A profile also has `extends` (a name or a list of names) and `description`.\n"
    for group, meanings in GROUPS.items():
        yield f"## {group.capitalize()}\n"
        yield "| key | flag | default | in a batch row | meaning |"
        yield "|---|---|---|---|---|"
        for key, meaning in meanings.items():
            default = Settings.model_fields[field_name(key)].default
            shown = "" if default is None else f"`{json.dumps(default)}`"
            row = "yes" if key in ROW_KEYS else ""
            yield f"| `{key}` | `{flag(key)}` | {shown} | {row} | {meaning} |"
        yield ""


def _contrast() -> Iterator[str]:
    yield "# Methods of contrast\n"
    yield (
        "`--contrast NAME[:WEIGHT][,KEY=VALUE...]`, as often as you like; in `tether.toml` "
        '`contrast = ["cad:0.5", "dola"]`, in `TETHER_CONTRAST` separated by blanks. '
        "[What they do](../explanation/contrast.md).\n"
    )
    for name, method in contrasts.METHODS.items():
        needed = sorted(roles(method()) - {"model"})
        flags = " and ".join(f"`--{role}`" for role in needed)
        yield from _method(name, method, f"Needs {flags} by default.\n" if needed else "")


def _grounding() -> Iterator[str]:
    yield "# Methods of grounding\n"
    yield (
        "`--ground NAME[:WEIGHT][,KEY=VALUE...]`, as often as you like; in `tether.toml` "
        '`ground = ["copy"]`, in `TETHER_GROUND` separated by blanks. '
        "[What they do](../explanation/grounding.md).\n"
    )
    for name, method in grounds.METHODS.items():
        yield from _method(name, method)


def _method(name: str, method: type[object], note: str = "") -> Iterator[str]:
    first, _, more = (method.__doc__ or "").partition("\n")
    yield f"## `{name}`\n"
    yield f"{first} {' '.join(more.split())}".strip() + "\n"
    if note:
        yield note
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for option in options_of(method):
        flag_word = "yes" if option.default else "no"
        shown = flag_word if isinstance(option.default, bool) else option.default
        yield f"| `{option.name}` | `{shown}` | {option.metadata['meaning']} |"
    yield ""


def _exit_codes() -> Iterator[str]:
    yield "# Exit codes\n"
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |"
    yield ""


def _errors() -> Iterator[str]:
    yield "# Errors\n"
    yield "Every error is a class of `tether.errors`; `kind` is the `reason` of a batch's errors.\n"
    yield "| class | is a | kind | exit code | meaning |"
    yield "|---|---|---|---|---|"
    for error in errors():
        meaning = (error.__doc__ or "").strip().split("\n", 1)[0]
        parent = error.__bases__[0].__name__
        yield (
            f"| `{error.__name__}` | `{parent}` | `{error.kind}` | {error.exit_code} | {meaning} |"
        )
    yield ""


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main() -> int:
    """Write the pages, or say which are stale."""
    if "--check" in sys.argv[1:]:
        for name in stale():
            print(f"docs/reference/{name} is stale: run python docs/generate.py", file=sys.stderr)
        return 1 if stale() else 0
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
