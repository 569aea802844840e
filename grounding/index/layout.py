"""How an index lies on disk, and how it is read: a folder of parts under one manifest.

    kb/manifest.json           what holds: format, maker, generation, the parts with facts and files
    kb/parts/passages.3/...    one folder a part and generation; never changed once it is named
    kb/lock                    held by the one process that writes (see `writing.py`)

The manifest is replaced whole, by one atomic rename, after everything that it names is on disk. So
whoever reads it sees either the old index or the new one. Parts other than `passages` are made from
the passages and keep their digest as `basis`: a part of other passages is stale, and refused.

Knows files, sizes and checksums; does not know what stands in a part.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from tether.errors import UnavailableError

FORMAT = 1
MANIFEST = "manifest.json"
PARTS = "parts"
PASSAGES = "passages"

Level = Literal["size", "sha256"]

_FOLDER = re.compile(r"[a-z][a-z0-9-]*\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is kept in a folder of this layout.

    Attributes:
        noun: What people call it; `tether_NOUN` is the key of the format in the manifest.
        article: Of the noun.
        root: The part that the other parts are made from.
        build: The command that makes it.
    """

    noun: str
    article: str
    root: str
    build: str

    @property
    def key(self) -> str:
        """Where the manifest has its format."""
        return f"tether_{self.noun}"


INDEX = Kind("index", "an", PASSAGES, "tether index build PATH...")


@dataclass(frozen=True, slots=True)
class File:
    """What a file of a part must be: its size and its checksum in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an index.

    Attributes:
        name: `passages`, `lexical`, `dense`, ...
        folder: Where its files are, absolute.
        facts: What it was made with, and what it counts; JSON values.
        files: Name to size and checksum of every file in the folder.
        basis: Digest of the passages it was made from; empty for the passages themselves.
    """

    name: str
    folder: Path
    facts: Mapping[str, Any]
    files: Mapping[str, File]
    basis: str

    @property
    def digest(self) -> str:
        """One checksum over the names and checksums of the files."""
        lines = (f"{name} {file.sha256}\n" for name, file in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what the manifest says."""

    part: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What holds in an index.

    Attributes:
        path: The folder of the index.
        made_by: The program and version that wrote it.
        generation: Counts the writes; the next one has a higher number.
        parts: The parts by name.
        kind: What it is that holds.
    """

    path: Path
    made_by: str
    generation: int
    parts: Mapping[str, Part]
    kind: Kind = INDEX

    def part(self, name: str) -> Part:
        """A part that was made from the root that holds now.

        Raises:
            UnavailableError: There is none, or it is stale.
        """
        if name not in self.parts:
            raise UnavailableError(
                f"The {self.kind.noun} {self.path} has no part '{name}'.",
                hint=f"It has {', '.join(sorted(self.parts)) or 'none at all'}.",
            )
        if self.is_stale(name):
            raise UnavailableError(
                f"The part '{name}' of {self.path} was made from other {self.kind.root} than it "
                "holds now.",
                hint=f"Make that part again, or build the {self.kind.noun} again.",
            )
        return self.parts[name]

    def has(self, name: str) -> bool:
        """Whether `part` would give that part."""
        return name in self.parts and not self.is_stale(name)

    def is_stale(self, name: str) -> bool:
        """Whether a part was made from another root than holds now (an index: its passages)."""
        root = self.parts.get(self.kind.root)
        if name == self.kind.root or root is None:
            return False
        return self.parts[name].basis != root.digest

    def damages(self, level: Level, parts: tuple[str, ...] = ()) -> Iterator[Damage]:
        """The files that are missing, cut or changed, of all parts or of those named."""
        for name in parts or sorted(self.parts):
            part = self.parts[name]
            for file, wanted in sorted(part.files.items()):
                reason = _damage(part.folder / file, wanted, level)
                if reason:
                    yield Damage(name, file, reason)

    def check(self, level: Level) -> None:
        """Refuse what has a damaged file.

        Raises:
            UnavailableError: The message names the part and the file, the hint the cure.
        """
        for damage in self.damages(level):
            folder = self.parts[damage.part].folder.name
            raise UnavailableError(
                f"The part '{damage.part}' of the {self.kind.noun} {self.path} is damaged: "
                f"{PARTS}/{folder}/{damage.file} {damage.reason}.",
                hint=f"Restore that file from a copy, or remove {self.path} and build it again.",
            )


def open_manifest(path: Path, kind: Kind = INDEX) -> Manifest:
    """The manifest of the index (or what `kind` says) at `path`, checked in itself.

    Touches no part.

    Raises:
        UnavailableError: There is none, or it is damaged, foreign or of a newer format.
    """
    try:
        body = json.loads((path / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UnavailableError(
            f"{path} is not {kind.article} {kind.noun}: it has no {MANIFEST}.",
            hint=f"Make one: {kind.build} -o {path}",
        ) from None
    except OSError as error:
        raise UnavailableError.from_os(f"{path / MANIFEST} cannot be read", error) from error
    except (ValueError, RecursionError):
        raise _damaged(path, kind, "it is not JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get(kind.key), int):
        raise _foreign(path, kind, body)
    if body[kind.key] > FORMAT:
        raise UnavailableError(
            f"The {kind.noun} {path} has format {body[kind.key]}; this version reads {FORMAT}.",
            hint=f"It was made by {body.get('made_by')}: use that version or a newer one, or build "
            f"the {kind.noun} again.",
        )
    if body.get("sha256") != seal(body):
        raise _damaged(path, kind, "its checksum does not fit")
    try:
        return _read(path, kind, body)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _damaged(path, kind, "a value is missing or of another type") from None


def enclosing(path: Path) -> Path | None:
    """The folder of this layout that a path is, or lies in; None where there is none.

    Its files are ours: what others put there goes with the next change.
    """
    at = path.absolute()
    return next((folder for folder in (at, *at.parents) if is_ours(folder)), None)


def is_ours(folder: Path) -> bool:
    """Whether a folder has a manifest of ours, of any kind, whole or damaged."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return b'"tether_' in stream.read(64)  # the first key that `writing.py` writes
    except OSError:
        return False


def seal(body: Mapping[str, Any]) -> str:
    """The checksum that a manifest carries over all its other values."""
    rest = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The checksum of a file, however large."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path, kind: Kind, body: Mapping[str, Any]) -> Manifest:
    parts = {name: _part(path, name, value) for name, value in body["parts"].items()}
    return Manifest(path, str(body["made_by"]), int(body["generation"]), parts, kind)


class _Facts(dict[str, Any]):
    """The facts of a part; one that is missing is the fault of what made the part."""

    def __init__(self, facts: Mapping[str, Any], folder: Path) -> None:
        super().__init__(facts)
        self._folder = folder

    def __missing__(self, name: str) -> NoReturn:
        raise UnavailableError(
            f"{self._folder} was made by an older version: it does not say `{name}`.",
            hint="Build it again, with --overwrite.",
        )


def _part(path: Path, name: str, value: Mapping[str, Any]) -> Part:
    files = {file: File(int(f["bytes"]), str(f["sha256"])) for file, f in value["files"].items()}
    if not _FOLDER.fullmatch(value["folder"]) or any(Path(f).name != f for f in files):
        raise ValueError("a name that leads elsewhere")
    folder = (path / PARTS / value["folder"]).absolute()
    return Part(name, folder, _Facts(value["facts"], folder), files, str(value["basis"]))


def _damage(path: Path, wanted: File, level: Level) -> str:
    """What is wrong with a file; empty where nothing is."""
    try:
        size = path.stat().st_size
        if size != wanted.bytes:
            return f"has {size} bytes, not {wanted.bytes}"
        if level == "sha256" and sha256(path) != wanted.sha256:
            return "has another content than was written (SHA-256 differs)"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def _foreign(path: Path, kind: Kind, body: Any) -> UnavailableError:  # noqa: ANN401
    """The error for a manifest without a format of this kind."""
    others = [k for k in body if k.startswith("tether_")] if isinstance(body, dict) else []
    if not others:
        return _damaged(path, kind, "it is not tether's")
    return UnavailableError(
        f"{path} is not {kind.article} {kind.noun}, but {others[0].removeprefix('tether_')}: it "
        "was made by another command.",
        hint=f"Make one: {kind.build} -o FOLDER",
    )


def _damaged(path: Path, kind: Kind, reason: str) -> UnavailableError:
    return UnavailableError(
        f"The {kind.noun} {path} is damaged: {MANIFEST} cannot be used, {reason}.",
        hint=f"Restore that file from a copy, or remove {path} and build it again.",
    )
