"""How an index is changed: parts are built aside, forced to disk, then named by a new manifest.

Until the new manifest stands, the old one and everything it names are as they were; kill -9, a
power cut or a full disk leaves at most a folder that no manifest names, which the next write
sweeps away.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tether.errors import OutputError, UsageError
from tether.grounding.index.layout import (
    FORMAT,
    INDEX,
    MANIFEST,
    PARTS,
    File,
    Kind,
    Manifest,
    Part,
    enclosing,
    open_manifest,
    seal,
    sha256,
)

_OURS = {MANIFEST, f"{MANIFEST}.new", PARTS, "lock"}


class Edit:
    """A change of several parts that holds as a whole or not at all; see `editing`.

    Attributes:
        old: What held when the change began.
    """

    def __init__(self, old: Manifest) -> None:
        self.old = old
        self._generation = old.generation + 1
        self._parts = dict(old.parts)
        self._written: set[str] = set()

    def put(self, name: str, facts: Mapping[str, Any], write: Callable[[Path], None]) -> Part:
        """Build a part: `write` fills an empty folder; `facts` are read when it has returned."""
        folder = self.scratch(name)
        write(folder)
        files = {path.name: _settled(path) for path in sorted(folder.iterdir())}
        _sync(folder)
        self._parts[name] = Part(name, folder.absolute(), dict(facts), files, "")
        self._written.add(name)
        return self._parts[name]

    def scratch(self, name: str) -> Path:
        """An empty folder; it goes at the end of the change unless a part names it."""
        folder = self.old.path / PARTS / f"{name}.{self._generation}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def part(self, name: str) -> Part:
        """A part as it will be."""
        return self._parts[name]

    def commit(self) -> Manifest:
        """Write the manifest that names the new parts, then remove what it does not name."""
        path, kind = self.old.path, self.old.kind
        root = self._parts.get(kind.root)
        for name in self._written - {kind.root}:
            if root is not None:
                self._parts[name] = replace(self._parts[name], basis=root.digest)
        made_by = f"tether {getattr(sys.modules['tether'], '__version__', '?')}"
        new = Manifest(path, made_by, self._generation, self._parts, kind)
        if (path / PARTS).is_dir():
            _sync(path / PARTS)
        _write_manifest(new)
        _sweep(new)
        return new


@contextmanager
def editing(
    path: Path, *, create: bool = False, kind: Kind = INDEX, patience_s: float = 0.0
) -> Iterator[Edit]:
    """Change the index at `path` under its lock; commits when the block ends without an error.

    Args:
        path: The folder of the index.
        create: Begin with an empty index; an index that is there is replaced at the commit.
        kind: What it is, where it is no index.
        patience_s: How long to wait for another process that writes it.

    Raises:
        UnavailableError: There is no index and `create` is false, or it is damaged.
        UsageError: Another process still writes it, or the folder holds other things.
        OutputError: The disk is full, or the like; the old index is as it was.
    """
    new = _gone_if_it_fails(path)
    try:
        if create:
            _prepare(path, kind)
        else:
            open_manifest(path, kind)
        with new, FileLock(path / "lock", timeout=patience_s, mode=0o644):
            held = _held(path, kind)
            edit = Edit(replace(held, parts={}) if create else held)
            with _swept(held):
                yield edit
                edit.commit()
    except Timeout:
        raise UsageError(
            f"{path} is in use: another process writes this {kind.noun}.",
            hint="Wait until it has ended.",
        ) from None
    except OSError as error:
        raise OutputError.from_os(
            f"The {kind.noun} {path} cannot be written",
            error,
            hint="Nothing was changed; cure that and run it again.",
        ) from error


def write_part(
    path: Path, name: str, facts: Mapping[str, Any], write: Callable[[Path], None]
) -> Part:
    """Add or replace one part of an index; see `editing` for the errors."""
    with editing(path) as edit:
        return edit.put(name, facts, write)


def _prepare(path: Path, kind: Kind) -> None:
    if os.path.lexists(path) and not path.is_dir():
        raise UsageError(f"{path} is not a folder.", hint="Name a new or an empty folder.")
    around = enclosing(path.absolute().parent)
    if around is not None:
        raise UsageError(
            f"{path} lies in {around}, whose files go with its next change.",
            hint="Name a folder outside of it.",
        )
    path.mkdir(parents=True, exist_ok=True)
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in _OURS)
    if foreign:
        raise UsageError(
            f"{path} holds other things than {kind.article} {kind.noun}: {', '.join(foreign[:3])}.",
            hint="Name a new or an empty folder.",
        )


def _held(path: Path, kind: Kind) -> Manifest:
    """What holds now; nothing where none was ever finished."""
    if (path / MANIFEST).exists():
        return open_manifest(path, kind)
    return Manifest(path, "", 0, {}, kind)


def _gone_if_it_fails(path: Path) -> AbstractContextManager[None]:
    """Remove the folder of an index where the change fails that was to make it."""
    return nullcontext() if path.exists() else _gone(path)


@contextmanager
def _gone(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for remove in ((path / "lock").unlink, (path / PARTS).rmdir, path.rmdir):
            with suppress(OSError):
                remove()
        raise


@contextmanager
def _swept(held: Manifest) -> Iterator[None]:
    """Remove what an interrupted write left, before, and what this one leaves where it fails."""
    _sweep(held)
    try:
        yield
    except BaseException:
        _sweep(_held(held.path, held.kind))
        raise


def _sweep(manifest: Manifest) -> None:
    """Remove the folders that the manifest does not name; what cannot go now goes next time."""
    kept = {part.folder.name for part in manifest.parts.values()}
    parts = manifest.path / PARTS
    for folder in parts.iterdir() if parts.is_dir() else ():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(manifest: Manifest) -> None:
    body: dict[str, Any] = {
        manifest.kind.key: FORMAT,
        "made_by": manifest.made_by,
        "generation": manifest.generation,
        "parts": {name: _entry(part) for name, part in sorted(manifest.parts.items())},
    }
    body["sha256"] = seal(body)
    new = manifest.path / f"{MANIFEST}.new"
    with new.open("w", encoding="utf-8") as stream:
        json.dump(body, stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(manifest.path / MANIFEST)
    _sync(manifest.path)


def _entry(part: Part) -> dict[str, Any]:
    return {
        "folder": part.folder.name,
        "basis": part.basis,
        "facts": dict(part.facts),
        "files": {
            name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in part.files.items()
        },
    }


def _settled(path: Path) -> File:
    """Force a finished file to the disk; its size and checksum."""
    _sync(path)
    return File(path.stat().st_size, sha256(path))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
