"""Loads the TOML wording tables of this package. Knows their form, not how they are used."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

ROOT = resources.files("tether.decoding.builtin") / "wordings"


@dataclass(frozen=True, slots=True)
class FieldTable:
    """One field of a domain, or one part of an object or of items."""

    key: str
    kind: str
    keys: tuple[str, ...]
    nouns: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    parts: tuple[FieldTable, ...] = ()
    item_wordings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """A kind of document: its main entity and the fields that may be said of it."""

    name: str
    subject: str
    nouns: tuple[str, ...]
    lead_ins: tuple[str, ...]
    fillers: tuple[str, ...]
    fields: tuple[FieldTable, ...]


@dataclass(frozen=True, slots=True)
class Generic:
    """Sentences that name a fact by a noun, for any domain and for arbitrary keys."""

    patterns: tuple[str, ...]
    absent: tuple[str, ...]
    lead_ins: tuple[str, ...]
    fillers: tuple[str, ...]
    misc_nouns: tuple[str, ...]
    adjectives: tuple[str, ...]


def read_table(path: str) -> dict[str, Any]:
    """One TOML table below `wordings/`."""
    return tomllib.loads(ROOT.joinpath(path).read_text(encoding="utf-8"))


def wordings_digest() -> str:
    """SHA-256 over every table, by path: the data of a run in one word."""
    digest = hashlib.sha256()
    names = [f"json/{name.name}.toml" for name in domains()]
    for path in sorted([*names, "generic.toml", "qa.toml", "sparql.toml"]):
        digest.update(path.encode() + b"\0" + ROOT.joinpath(path).read_bytes())
    return digest.hexdigest()


def strings(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The list of strings at `key`; empty where the table has none."""
    return tuple(str(text) for text in table.get(key, ()))


def field_table(table: Mapping[str, Any]) -> FieldTable:
    """A `[[field]]` or `[[field.part]]` entry."""
    values = tuple((str(k), tuple(v)) for k, v in table.get("values", {}).items())
    return FieldTable(
        key=table["key"],
        kind=table["kind"],
        keys=strings(table, "keys") or (table["key"],),
        nouns=strings(table, "nouns"),
        wordings=strings(table, "wordings"),
        values=values,
        parts=tuple(field_table(part) for part in table.get("part", ())),
        item_wordings=strings(table, "item_wordings"),
    )


def domain(name: str, table: Mapping[str, Any]) -> Domain:
    """A domain's table; a noun shared by two fields is dropped, since it would be ambiguous."""
    fields = tuple(field_table(entry) for entry in table["field"])
    count: dict[str, int] = {}
    for entry in fields:
        for noun in set(entry.nouns):
            count[noun] = count.get(noun, 0) + 1
    return Domain(
        name=name,
        subject=table["subject"],
        nouns=strings(table, "nouns"),
        lead_ins=strings(table, "lead_ins"),
        fillers=strings(table, "fillers"),
        fields=tuple(
            FieldTable(
                entry.key, entry.kind, entry.keys,
                tuple(noun for noun in entry.nouns if count[noun] == 1),
                entry.wordings, entry.values, entry.parts, entry.item_wordings,
            )
            for entry in fields
        ),
    )  # fmt: skip


@cache
def domains() -> tuple[Domain, ...]:
    """Every domain below `wordings/json`, by name."""
    files = sorted(path.name for path in (ROOT / "json").iterdir() if path.name.endswith(".toml"))
    return tuple(domain(name.removesuffix(".toml"), read_table(f"json/{name}")) for name in files)


@cache
def generic() -> Generic:
    """`wordings/generic.toml`."""
    table = read_table("generic.toml")
    return Generic(*(strings(table, key) for key in Generic.__dataclass_fields__))
