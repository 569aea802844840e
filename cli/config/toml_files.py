"""The TOML files that hold settings: where they are, what they say, on which line a key stands.

Knows files and tables; does not know what the settings mean: see `settings.py`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tether.errors import ProfileError

PROJECT_FILE = "tether.toml"


@dataclass(frozen=True)
class TomlFile:
    """One file of settings.

    Attributes:
        path: Absolute path.
        table: The settings table: the whole of tether.toml, `[tool.tether]` of pyproject.toml.
        prefix: Where `table` stands in the file: () or ("tool", "tether").
        scope: "project", "user", or "shipped".
    """

    path: Path
    table: Mapping[str, Any]
    prefix: tuple[str, ...]
    scope: str

    @cached_property
    def profiles(self) -> dict[str, Any]:
        """The `[profiles.NAME]` tables."""
        found = self.table.get("profiles", {})
        if not isinstance(found, dict):
            raise self.error("`profiles` is not a table", ("profiles",), "Write [profiles.NAME].")
        return found

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        return key_lines(self.path.read_text(encoding="utf-8"))

    def line(self, keys: tuple[str, ...]) -> int:
        """The line of a key in this file, or of the nearest table around it; 1 when not found."""
        full = (*self.prefix, *keys)
        while full and full not in self._lines:
            full = full[:-1]
        return self._lines.get(full, 1)

    def place(self, keys: tuple[str, ...]) -> str:
        """`path:line` of a key, for messages."""
        return f"{self.path}:{self.line(keys)}"

    def error(self, problem: str, keys: tuple[str, ...], hint: str = "") -> ProfileError:
        """A ProfileError that names the file, the line and the key."""
        pointer = ".".join(keys)
        return ProfileError(f"{self.place(keys)}: {problem}.", hint=hint, pointer=pointer)


def project_file(start: Path) -> TomlFile | None:
    """The nearest tether.toml or pyproject.toml with [tool.tether], from `start` upwards.

    Raises:
        ProfileError: The file cannot be read, or both stand in one directory.
    """
    for directory in (start, *start.parents):
        own = directory / PROJECT_FILE
        shared = _pyproject(directory / "pyproject.toml")
        if shared is not None and os.path.lexists(own):
            raise ProfileError(
                f"{directory} holds both {PROJECT_FILE} and [tool.tether] in pyproject.toml.",
                hint="Keep the settings in one of them.",
            )
        if os.path.lexists(own):  # a folder or a link to nothing too: neither is passed over
            return TomlFile(own, read_toml(own), (), "project")
        if shared is not None:
            return shared
    return None


def user_file(environ: Mapping[str, str]) -> TomlFile | None:
    """The user's own tether.toml, where there is one."""
    path = config_dir(environ) / PROJECT_FILE
    return TomlFile(path, read_toml(path), (), "user") if os.path.lexists(path) else None


def shipped_file() -> TomlFile:
    """The profiles that come with the program."""
    path = Path(__file__).with_name("shipped.toml")
    return TomlFile(path, read_toml(path), (), "shipped")


def config_dir(environ: Mapping[str, str]) -> Path:
    """TETHER_CONFIG_DIR, or the place that the system keeps for it."""
    if named := environ.get("TETHER_CONFIG_DIR"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_config_path

    return user_config_path("tether", appauthor=False)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ProfileError: It cannot be read, is not UTF-8 or not TOML; the message has the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{path} is not valid TOML: {error}.", hint="See toml.io.") from error
    except UnicodeDecodeError as error:
        raise ProfileError(
            f"{path} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8."
        ) from error
    except ValueError as error:  # more digits than Python reads
        raise ProfileError(
            f"{path} has an integer of thousands of digits.", hint="Write a shorter number."
        ) from error
    except OSError as error:
        raise ProfileError.from_os(f"{path} cannot be read", error) from error


def _pyproject(path: Path) -> TomlFile | None:
    if not path.is_file() or b"tool.tether" not in path.read_bytes():
        return None
    table = read_toml(path).get("tool", {}).get("tether")
    return None if table is None else TomlFile(path, table, ("tool", "tether"), "project")


_HEADER = re.compile(r"\s*\[\[?\s*(?P<keys>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""\s*(?P<keys>(?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*="""
)
_PART = re.compile(r""""[^"]*"|'[^']*'|[\w-]+""")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The first line of each table and key. Lines inside multi-line strings are skipped."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            closing = "" if closing in line else closing
        elif header := _HEADER.match(line):
            table = _parts(header["keys"])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key["keys"])), number)
            closing = _open_string(line[key.end() :])
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _open_string(value: str) -> str:
    """The quotes that a multi-line string still waits for at the end of its first line."""
    for quotes in ('"""', "'''"):
        if value.count(quotes) % 2:
            return quotes
    return ""
