"""Profiles: named settings, built on each other with `extends`. Finds them and orders them.

Knows names and files; checks no value: see `settings.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tether.cli.config import toml_files
from tether.cli.config.toml_files import TomlFile
from tether.errors import ProfileError

OWN_KEYS = ("extends", "description")
"""Keys of a profile that are not settings."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One `[profiles.NAME]` table and the file it stands in."""

    name: str
    file: TomlFile

    @property
    def keys(self) -> tuple[str, ...]:
        """Where the table stands in the file's settings."""
        return ("profiles", self.name)

    @property
    def table(self) -> dict[str, Any]:
        """The table, `extends` and `description` included."""
        table = self.file.profiles[self.name]
        if not isinstance(table, dict):
            raise self.file.error(f"profile {self.name!r} is not a table", self.keys)
        return table

    @property
    def description(self) -> str:
        """One line for `tether profile list`."""
        return self._text("description", "")

    @property
    def parents(self) -> tuple[str, ...]:
        """The profiles that this one extends, weakest first."""
        names = self.table.get("extends", [])
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.file.error(
                "`extends` is neither a name nor a list of names", (*self.keys, "extends")
            )
        return tuple(names)

    def _text(self, key: str, default: str) -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str):
            raise self.file.error(f"`{key}` is not a text", (*self.keys, key))
        return value


class Library:
    """All profiles in reach: of the nearest project file, then of the user, then the shipped ones.

    Attributes:
        files: Those of the user and the project, weakest first.
    """

    def __init__(self, cwd: Path, environ: Mapping[str, str]) -> None:
        found = (toml_files.user_file(environ), toml_files.project_file(cwd))
        self.files = [file for file in found if file is not None]
        self._known = [toml_files.shipped_file(), *self.files]

    def __iter__(self) -> Iterator[Profile]:
        """Every profile that a name can reach, in the order of the files."""
        for file in self._known:
            for name in file.profiles:
                profile = Profile(name, file)
                if self.get(name) == profile:
                    yield profile

    def get(self, name: str, wanted_by: Profile | None = None) -> Profile:
        """The profile of this name; the project's hides the user's.

        Raises:
            ProfileError: There is none; the hint names the nearest or all.
        """
        for file in reversed(self._known):
            if name in file.profiles:
                return Profile(name, file)
        problem, hint = f"there is no profile {name!r}", self._hint(name)
        if wanted_by is not None:
            raise wanted_by.file.error(problem, (*wanted_by.keys, "extends"), hint)
        raise ProfileError(f"T{problem[1:]}.", hint=hint, pointer=name)

    def chain(self, names: Sequence[str]) -> list[Profile]:
        """The profiles to apply for `-p` names, weakest first; each once, at its last place."""
        ordered: list[Profile] = []
        for name in names:
            for profile in self._lineage(self.get(name), ()):
                if profile in ordered:
                    ordered.remove(profile)
                ordered.append(profile)
        return ordered

    def _lineage(self, profile: Profile, below: tuple[Profile, ...]) -> Iterator[Profile]:
        if profile in below:
            names = [p.name for p in (*below[below.index(profile) :], profile)]
            raise profile.file.error(
                f"profile {profile.name!r} extends itself: {' -> '.join(names)}",
                (*profile.keys, "extends"),
                "Take one of them out of `extends`.",
            )
        for parent in profile.parents:
            yield from self._lineage(self.get(parent, profile), (*below, profile))
        yield profile

    def _hint(self, name: str) -> str:
        names = sorted({known for file in self._known for known in file.profiles})
        return suggest(name, names, "profiles")


def suggest(wrong: str, known: Sequence[str], what: str) -> str:
    """`Did you mean ...?`, or the list of what there is."""
    near = get_close_matches(wrong, known, n=2, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(f'`{name}`' for name in near)}?"
    return f"Known {what}: {', '.join(known)}."
