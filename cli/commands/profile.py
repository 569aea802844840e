"""List, show, write and check the profiles of tether.toml.

A profile is a `[profiles.NAME]` table of settings. A flag wins over TETHER_* variables, these over
profiles (-p), these over the plain keys of the nearest tether.toml (or [tool.tether] in
pyproject.toml), these over the user's own tether.toml, these over the defaults.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.cli import streams
from tether.cli.kinds import SettingValue
from tether.errors import OutputError, UsageError

if TYPE_CHECKING:
    from tether.cli.config.settings import Resolved

_FIRST = """\
# Settings of this project. `tether profile show --origin` says which value holds, and why.

# temperature = 0.0

[profiles.person]
description = "Name, birthday and city of a person"
schema = "name, born? date, city?"

[profiles.creative]
description = "Varied wording; another seed gives another text"
temperature = 0.8
top_p = 0.95
"""


def list_profiles() -> None:
    """List the profiles in reach, with their files, and those that come with tether."""
    from tether.cli.config.profiles import Library

    library = Library(Path.cwd(), os.environ)
    if not any(file.profiles for file in library.files):
        streams.say("You have no profiles yet; `tether profile init` writes a first tether.toml.")
    found = sorted(library, key=lambda profile: profile.name)
    width = max(len(profile.name) for profile in found)
    for profile in found:
        text = profile.description or ", ".join(k for k in profile.table if k != "extends")
        shipped = profile.file.scope == "shipped"
        place = "comes with tether" if shipped else profile.file.place(profile.keys)
        streams.write_line(f"{profile.name:<{width}}  {text}  ({place})")


def show(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Profiles to stack; later ones win."),
    ] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Show the settings that hold, as TOML; unset ones as comments."""
    from tether.cli.config.settings import resolve

    resolved = resolve({}, profiles=names or ())
    if as_json:
        streams.write_line(json.dumps(_as_json(resolved, origin=origin), ensure_ascii=False))
        return
    for key, value in resolved.values.items():
        line = f"# {key} is not set" if value is None else f"{key} = {_toml(value)}"
        note = f"  # {resolved.origins[key].place}" if origin and value is not None else ""
        streams.write_line(line + note)


def init(
    directory: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
) -> None:
    """Write a first tether.toml with two profiles."""
    path = directory / "tether.toml"
    try:
        with streams.guarded(path), path.open("x", encoding="utf-8") as stream:
            stream.write(_FIRST)
    except OutputError as error:
        if path.exists():
            raise UsageError(f"{path} exists.", hint="Edit it, or move it away.") from error
        raise
    streams.say(f"Wrote {path}; try: tether profile list")


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Default: those in reach.")
    ] = None,
) -> None:
    """Check every key, value, `extends` and schema of the files."""
    from tether.cli.checking import check_files
    from tether.cli.commands.check import conclude

    conclude(check_files(files or []), as_json=False)


def schema() -> None:
    """Print the JSON Schema of tether.toml, for editors."""
    from tether.cli.config.toml_schema import toml_schema

    streams.write_line(json.dumps(toml_schema(), indent=2, ensure_ascii=False))


COMMANDS = {"list": list_profiles, "show": show, "init": init, "check": check, "schema": schema}

EXAMPLES = {
    "list": "tether profile list",
    "show": "tether profile show person creative --origin",
    "init": "tether profile init",
    "check": "tether profile check tether.toml",
    "schema": "tether profile schema > tether.toml.schema.json",
}


def _as_json(resolved: Resolved, *, origin: bool) -> dict[str, Any]:
    if not origin:
        return dict(resolved.values)
    return {
        key: {"value": value, "origin": resolved.origins[key].place}
        for key, value in resolved.values.items()
    }


def _toml(value: SettingValue) -> str:
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update({str(key): item for key, item in value.items()})
        return table.as_string()
    return str(tomlkit.item(value).as_string())
