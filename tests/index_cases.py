"""Small indexes for tests: documents as a table of names and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import tether.decoding.builtin
from tether.grounding.document import Document
from tether.grounding.index import build as building
from tether.grounding.index.build import Change
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.lexical import LexicalMaker

TOKENIZER = Path(tether.decoding.builtin.__file__).parent / "model" / "tokenizer.json"


def documents(texts: Mapping[str, str]) -> Iterable[Document]:
    """Documents of these names and texts."""
    return [Document(name, text, f"{name}:1") for name, text in texts.items()]


def build(path: Path, texts: Mapping[str, str], *, overwrite: bool = False) -> Change:
    """An index of passages of at most 12 tokens, by words."""
    return building.build(
        path, documents(texts), [LexicalMaker()],
        tokenizer=TOKENIZER, size=12, overlap=3, overwrite=overwrite,
    )  # fmt: skip


def add(path: Path, texts: Mapping[str, str]) -> Change:
    """Add documents, or replace them."""
    return building.add(path, documents(texts), [LexicalMaker()])


def delete(path: Path, *names: str) -> Change:
    """Take documents away."""
    return building.delete(path, names, [LexicalMaker()])


def contents(path: Path) -> dict[str, bytes]:
    """Part and file to bytes, of all that the manifest names."""
    return {
        f"{name}/{file}": (part.folder / file).read_bytes()
        for name, part in open_manifest(path).parts.items()
        for file in part.files
    }


def folders(path: Path) -> set[str]:
    """The folders of parts that are there."""
    return {folder.name for folder in (path / "parts").iterdir()}
