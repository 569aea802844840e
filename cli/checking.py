"""What `tether check` and `tether profile check` find out. Loads no model and no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tether.cli import said, texts
from tether.cli.config import toml_files
from tether.cli.config.profiles import Library, Profile
from tether.cli.config.settings import Layer, file_layer, profile_layer, resolve
from tether.cli.config.toml_files import TomlFile
from tether.cli.template import Template
from tether.errors import TetherError, UsageError
from tether.grammars.findings import Finding

Kind = Literal["schema", "grammar", "profile", "regex"]

_SUFFIXES: dict[str, Kind] = {
    ".json": "schema",
    ".lark": "grammar",
    ".gbnf": "grammar",
    ".toml": "profile",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at.

    Attributes:
        name: The file or the text.
        json_schema: The JSON Schema that a schema text stands for; None for other kinds.
        from_short: Whether it was written in the short syntax.
    """

    name: str
    kind: Kind
    findings: tuple[Finding, ...]
    json_schema: Any = None
    from_short: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is refused."""
        return all(finding.level != "error" for finding in self.findings)


def check_argument(argument: str, kind: Kind | None, *, allow_remote: bool = False) -> Checked:
    """Check a file or a text.

    Args:
        argument: A file, `@file`, or the text itself.
        kind: What it is; None tells it by the file's name, and takes a text for a schema.
        allow_remote: Whether what a schema refers to elsewhere is fetched.

    Raises:
        UsageError: The kind cannot be told, or the file cannot be read.
    """
    path = Path(argument.removeprefix("@"))
    is_file = _is_file(path)
    if argument.startswith("@") and not is_file:
        raise UsageError(f"{path} is not a file.", hint="Check the name and the folder.")
    kind = kind or (_kind(path) if is_file else "schema")
    if kind == "profile":
        if not is_file:
            raise UsageError(f"{argument!r} is not a file.", hint="Name a .toml file.")
        return check_profiles(path)
    if kind == "schema":
        return _check_said(argument, kind, {"schema": argument, "allow_remote": allow_remote})
    if kind == "regex":
        text = texts.read_file(path).removesuffix("\n") if is_file else argument
        return _check_said(argument, kind, {"regex": text})
    if not is_file:
        raise UsageError(f"{argument!r} is not a file.", hint="Name a .lark or .gbnf file.")
    return _check_said(argument, kind, {"grammar": str(path)})


def check_files(files: Sequence[Path]) -> list[Checked]:
    """Check TOML files; none means those that a run here would read."""
    paths = list(files) or [file.path for file in Library(Path.cwd(), os.environ).files]
    if not paths:
        raise UsageError("There is no tether.toml here.", hint="Name a file.")
    return [check_profiles(path) for path in paths]


def check_profiles(path: Path) -> Checked:
    """Check every key and profile of a TOML file, and what they say may be said."""
    try:
        file = _toml_file(path.absolute())
    except TetherError as error:
        return Checked(str(path), "profile", (_finding(error),))
    findings = list(_layer_findings(lambda: file_layer(file)))
    try:
        names = list(file.profiles)
    except TetherError as error:
        return Checked(str(path), "profile", (*findings, _finding(error)))
    library = Library(path.absolute().parent, os.environ)
    for name in names:
        profile = Profile(name, file)
        findings += _profile_findings(profile, library)
    return Checked(str(path), "profile", tuple(findings))


def _profile_findings(profile: Profile, library: Library) -> Iterator[Finding]:
    try:
        for parent in profile.parents:
            library.get(parent, profile)
        _ = profile.description
        if library.get(profile.name).file.path == profile.file.path:
            library.chain([profile.name])
    except TetherError as error:
        yield _finding(error)
    else:
        yield from _layer_findings(lambda: profile_layer(profile.file, profile.name))


def _layer_findings(make: Callable[[], Layer]) -> Iterator[Finding]:
    """Findings of one table: keys, values, the template, and the constraint it names."""
    try:
        layer = make()
        checked = layer.checked()
        base = resolve({}, cwd=Path(Path.cwd().anchor), environ={}).over(layer)
    except TetherError as error:
        yield _finding(error)
        return
    try:
        if checked.get("template"):
            Template.parse(texts.read(checked["template"]), layer.origins["template"].place)
        for text in (checked.get("system", ""), *checked.get("evidence", ())):
            texts.read(text)
        wanted = said.read(base)
        found = () if wanted.spec is None else wanted.spec.findings()
    except TetherError as error:
        key = next((key for key in said.KEYS if key in layer.values), "")
        yield _finding(error, layer.origins[key].place if key else "")
        return
    key = next((key for key in said.KEYS if checked.get(key) is not None), "")
    place = layer.origins[key].place if key else ""
    for finding in found:
        yield Finding(
            finding.level, place, f"{finding.message} ({finding.pointer or 'whole'})",
            finding.hint, finding.excerpt,
        )  # fmt: skip


def _check_said(name: str, kind: Kind, flags: dict[str, Any]) -> Checked:
    try:
        resolved = resolve(flags, cwd=Path.cwd(), environ={"TETHER_CONFIG_DIR": os.devnull})
        wanted = said.read(resolved)
    except TetherError as error:
        return Checked(name, kind, (_finding(error),))
    assert wanted.spec is not None, "a constraint was given"
    findings = tuple(wanted.spec.findings())
    schema = wanted.spec.schema if kind == "schema" else None
    return Checked(name, kind, findings, schema, kind == "schema" and _is_short(name))


def _finding(error: TetherError, pointer: str = "") -> Finding:
    return Finding("error", error.pointer or pointer, error.message, error.hint, error.excerpt)


def _toml_file(path: Path) -> TomlFile:
    table = toml_files.read_toml(path)
    if path.name == "pyproject.toml":
        found = table.get("tool", {}).get("tether", {})
        return TomlFile(path, found, ("tool", "tether"), "project")
    return TomlFile(path, table, (), "project")


def _is_short(argument: str) -> bool:
    """Whether a schema argument, or the file it names, is in the short syntax."""
    path = Path(argument.strip().removeprefix("@"))
    text = texts.read_file(path) if _is_file(path) else argument
    return not text.strip().startswith(("{", "[", "true", "false"))


def _kind(path: Path) -> Kind:
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{path}: cannot tell what it is from its name.",
            hint="Say --kind schema, grammar, profile or regex.",
        )
    return kind


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a schema text longer than a file name may be
        return False
