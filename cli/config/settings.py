"""Which value holds: flag > TETHER_* > profiles > nearest tether.toml > user config > default.

Profiles are asked for by name (`-p`, TETHER_PROFILE), so they win over the plain keys of the files
that hold them. Each value keeps its origin. Paths are relative to the file that names them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tether.cli.config import environment
from tether.cli.config.profiles import OWN_KEYS, Library, suggest
from tether.cli.config.settings_model import CONSTRAINTS, KEYS, Settings, field_name
from tether.cli.config.toml_files import TomlFile
from tether.cli.kinds import SettingValue
from tether.errors import ProfileError, TetherError, UsageError

Kind = Literal["default", "user", "project", "profile", "env", "flag", "row"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from.

    Attributes:
        kind: Which layer.
        place: For people: `--seed`, `TETHER_SEED`, `/x/tether.toml:4 [profiles.fast]`, `default`.
        base: The directory that its relative paths start from.
    """

    kind: Kind
    place: str
    base: Path


@dataclass(frozen=True, slots=True)
class Layer:
    """Values of one source, unchecked, each with its origin."""

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    strict: bool = True

    def checked(self) -> dict[str, Any]:
        """The values as their types, or an error that names the source.

        Raises:
            ProfileError: A value of a file is wrong.
            UsageError: A flag or an environment variable is wrong.
        """
        try:
            model = Settings.model_validate(dict(self.values), strict=self.strict)
        except ValidationError as error:
            raise self._refusal(error) from None
        return {key: getattr(model, field_name(key)) for key in self.values}

    def _refusal(self, error: ValidationError) -> TetherError:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        origin = self.origins[key]
        inner = "".join(f"[{part}]" for part in first["loc"][1:] if isinstance(part, int))
        value = self.values[key]
        problem = first["msg"][:1].lower() + first["msg"][1:]
        message = f"{origin.place}: `{key}{inner}` = {value!r} is wrong: {problem}."
        hint = first.get("ctx", {}).get("hint") or describe(key)
        if origin.kind in ("env", "flag", "row"):
            return UsageError(message, hint=hint, pointer=key)
        return ProfileError(message, hint=hint, pointer=key)


@dataclass(frozen=True)
class Resolved:
    """All settings of a run, checked, each with its origin."""

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    profiles: tuple[str, ...] = field(default=())

    @cached_property
    def settings(self) -> Settings:
        """The values as one object."""
        return Settings.model_construct(**{field_name(k): v for k, v in self.values.items()})

    def __getitem__(self, key: str) -> SettingValue:
        """The value of a setting by the name that users write."""
        return self.values[key]

    def over(self, layer: Layer) -> Resolved:
        """These settings with a stronger layer on top.

        Raises:
            UsageError: The layer is wrong; see `Layer.checked`.
        """
        values, origins = dict(self.values), dict(self.origins)
        _apply(layer, values, origins)
        return Resolved(values, origins, self.profiles)


def resolve(
    flags: Mapping[str, Any],
    *,
    profiles: Sequence[str] = (),
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Resolved:
    """All settings, from the weakest layer to the strongest.

    Args:
        flags: Settings given on the command line or in Python; absent means not given.
        profiles: Names from `-p`, later ones stronger; none means those of TETHER_PROFILE.
        cwd: Where the search for tether.toml starts; the working directory by default.
        environ: The environment; this process's by default.

    Raises:
        ProfileError: A file or a profile is wrong.
        UsageError: A flag or an environment variable is wrong.
    """
    cwd, environ = (cwd or Path.cwd()), (os.environ if environ is None else environ)
    default = Origin("default", "default", cwd)
    model = Settings()
    values: dict[str, Any] = {key: getattr(model, field_name(key)) for key in KEYS}
    origins = dict.fromkeys(KEYS, default)
    names = tuple(profiles) or environment.profile_names(environ)
    for layer in _layers(flags, names, cwd, environ):
        _apply(layer, values, origins)
    return Resolved(values, origins, names)


def _layers(
    flags: Mapping[str, Any], names: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> Iterator[Layer]:
    library = Library(cwd, environ)
    for file in library.files:
        yield file_layer(file)
    for profile in library.chain(names):
        yield profile_layer(profile.file, profile.name)
    given = environment.values(environ)
    yield Layer(
        given, {k: Origin("env", environment.variable(k), cwd) for k in given}, strict=False
    )
    yield flag_layer(flags, cwd)


def file_layer(file: TomlFile) -> Layer:
    """The plain keys of a file."""
    kind: Kind = "user" if file.scope == "user" else "project"
    return _table_layer(file, file.table, (), ("profiles",), kind)


def profile_layer(file: TomlFile, name: str) -> Layer:
    """The keys of one `[profiles.NAME]` table."""
    return _table_layer(file, file.profiles[name], ("profiles", name), OWN_KEYS, "profile")


def flag_layer(flags: Mapping[str, Any], cwd: Path) -> Layer:
    """Values given by hand; `--max-tokens` is the flag of `max_tokens`."""
    _check_keys(flags)
    return Layer(flags, {k: Origin("flag", f"--{k.replace('_', '-')}", cwd) for k in flags})


def _table_layer(
    file: TomlFile,
    table: Mapping[str, Any],
    keys: tuple[str, ...],
    other: Sequence[str],
    kind: Kind,
) -> Layer:
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for key, value in table.items():
        if key in other:
            continue
        if key not in KEYS:
            raise file.error(
                f"unknown key `{key}`", (*keys, key), suggest(key, (*KEYS, *other), "keys")
            )
        suffix = f" [{'.'.join(keys)}]" if keys else ""
        origins[key] = Origin(kind, file.place((*keys, key)) + suffix, file.path.parent)
        values[key] = _anchored(key, value, file.path.parent)
    return Layer(values, origins)


def _check_keys(flags: Mapping[str, Any]) -> None:
    for key in flags:
        if key not in KEYS:
            raise UsageError(f"Unknown setting {key!r}.", hint=suggest(key, KEYS, "settings"))


def _apply(layer: Layer, values: dict[str, Any], origins: dict[str, Origin]) -> None:
    """Put a layer on top. The constraint that a layer names replaces those below it."""
    checked = layer.checked()
    named = [key for key in CONSTRAINTS if checked.get(key) is not None]
    if len(named) > 1:
        places = " and ".join(layer.origins[key].place for key in named[:2])
        problem = f"{places} both say what may be said."
        kind = layer.origins[named[0]].kind
        error = ProfileError if kind in ("user", "project", "profile") else UsageError
        raise error(problem, hint=f"Keep one of {', '.join(named)}.", pointer=named[0])
    for key in CONSTRAINTS if named else ():
        values[key], origins[key] = None, layer.origins[named[0]]
    values.update(checked)
    origins.update(layer.origins)


def _anchored(key: str, value: SettingValue, base: Path) -> SettingValue:
    """A path as an absolute one; those of schemas and grammars are read from the origin's base."""
    if key == "evidence" and isinstance(value, list):
        return [_anchored("text", item, base) for item in value]
    if not isinstance(value, str) or not value:
        return value
    is_file = value.startswith("@") and not value.startswith("@@")
    if key in ("system", "template", "text") and is_file:
        return f"@{base / Path(value[1:]).expanduser()}"
    if key == "index":
        return str(base / Path(value).expanduser())
    if key in ("model", "amateur", "expert", "draft_model"):
        return _anchored_model(value, base)
    return value


def _anchored_model(value: str, base: Path) -> str:
    """A directory beside the file wins over a hub id of the same form."""
    path = base / Path(value).expanduser()
    is_path = value.startswith((".", "~", "/")) or (value != "builtin" and path.is_dir())
    return str(path) if is_path else value


def describe(key: str) -> str:
    """One sentence on a setting, from its definition."""
    return Settings.model_fields[field_name(key)].description or ""
