"""Terms as texts: N-Triples in the dictionary, and as a query writes them.

A term of the dictionary is its N-Triples text; sorted by bytes, literals (`"`) come before IRIs
(`<`) and IRIs before blank nodes (`_`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
TYPE = f"<{RDF}type>"
LABELS = (f"<{RDFS}label>", f"<{SKOS}prefLabel>")
"""The predicates whose objects are labels."""

WELL_KNOWN = {
    "rdf": RDF,
    "rdfs": RDFS,
    "xsd": XSD,
    "skos": SKOS,
    "owl": "http://www.w3.org/2002/07/owl#",
}
"""Prefixes that hold where the data declares them otherwise or not at all."""

CASTS = tuple(
    f"<{XSD}{name}>"
    for name in (
        *("boolean", "double", "float", "decimal", "integer", "string", "dateTime", "date", "time"),
        *("duration", "dayTimeDuration", "yearMonthDuration", "int", "long", "nonNegativeInteger"),
    )
)
"""Functions by IRI: casts that the store knows, and those that the oracle adds to it."""

MOST_CHARACTERS = 200
"""Of a name; a longer literal can only be found through a variable."""

_IRI = re.compile(r'<[^\x00-\x20<>"{}|^`\\]+>')
_LITERAL = re.compile(r'("(?:[^"\\]|\\.)*")(?:@([A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)|\^\^(<[^>]*>))?')
_FIRST = "A-Z_a-zÀ-ÖØ-öø-˿Ͱ-ͽͿ-῿⁰-↏Ⰰ-⿯、-퟿0-9"
_LOCAL = re.compile(f"[{_FIRST}](?:[{_FIRST}-])*")
FEDERATION = re.compile("(?<!_)service", re.IGNORECASE)
"""What `guard.py` refuses outside of strings and local names, and no prefix of ours may hold."""
_PREFIX = re.compile("(?:[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)?")
_BARE = {
    f"<{XSD}integer>": re.compile(r"-?[0-9]+"),
    f"<{XSD}decimal>": re.compile(r"-?[0-9]+\.[0-9]+"),
    f"<{XSD}double>": re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+"),
    f"<{XSD}boolean>": re.compile("true|false"),
}


def is_iri(text: str) -> bool:
    """Whether `<…>` may stand in a query: only characters of IRIREF, nothing that ends it."""
    return _IRI.fullmatch(text) is not None


class Shortener:
    """Writes terms as queries do: `:manager`, `<http://…>`, `"Heinrich Hoch"`, `628718`.

    Local names have no dots and no escapes, so that no lexer can cut them otherwise; an IRI that
    would need them stands in `<…>`.

    Args:
        prefixes: Prefix -> namespace.
        aliases: `<IRI>` -> a prefix that stands for all of it (see `aliases.py`).

    Attributes:
        used: The prefixes, without aliases, that stood in a text so far.
    """

    def __init__(
        self, prefixes: Mapping[str, str], aliases: Mapping[str, str] | None = None
    ) -> None:
        self._aliases = aliases or {}
        self.used: dict[str, str] = {}
        fit = {name: space for name, space in prefixes.items() if _fits(name)}
        self._by_namespace = {space: name for name, space in reversed(fit.items())}

    def text(self, term: str) -> str | None:
        """How a query writes a term of the dictionary; None where it cannot.

        Blank nodes have no name, nor have literals that are too long.
        """
        if term.startswith("<"):
            return self._iri(term)
        return self._literal(term) if term.startswith('"') else None

    def _iri(self, term: str) -> str | None:
        if not is_iri(term):
            return None
        if term in self._aliases:
            return f"{self._aliases[term]}:"
        cut = max(term.rfind("#"), term.rfind("/"), term.rfind(":")) + 1
        prefix = self._by_namespace.get(term[1:cut])
        if prefix is None or not _LOCAL.fullmatch(term, cut, len(term) - 1):
            return term
        self.used[prefix] = term[1:cut]
        return f"{prefix}:{term[cut:-1]}"

    def _literal(self, term: str) -> str | None:
        found = _LITERAL.fullmatch(term) if len(term) <= MOST_CHARACTERS else None
        if found is None:
            return None
        quoted, _, datatype = found.groups()
        if datatype is None:
            return term
        bare = _BARE.get(datatype)
        if bare is not None and bare.fullmatch(quoted, 1, len(quoted) - 1):
            return quoted[1:-1]
        written = self._iri(datatype)
        return None if written is None else f"{quoted}^^{written}"


def _fits(prefix: str) -> bool:
    return _PREFIX.fullmatch(prefix) is not None and FEDERATION.search(prefix) is None


def value(term: str) -> str:
    """The characters of a literal, or the IRI without its brackets.

    Source: the escapes of N-Triples, https://www.w3.org/TR/n-triples/#grammar-production-ECHAR.
    """
    if not term.startswith('"'):
        return term.strip("<>")
    quoted = term[1 : term.rindex('"')]
    return _ESCAPE.sub(_unescape, quoted) if "\\" in quoted else quoted


def language(term: str) -> str:
    """The language of a literal in lower case; empty where it has none."""
    tail = term[term.rfind('"') + 1 :]
    return tail[1:].lower() if tail.startswith("@") else ""


def datatype(term: str) -> str | None:
    """The datatype of a literal as `<…>`, where it is written."""
    tail = term[term.rfind('"') + 1 :]
    return tail[2:] if term.startswith('"') and tail.startswith("^^") else None


def bound(prefixes: Mapping[str, str], given: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The prefixes of the data under those that a user gives, and the well-known ones."""
    chosen = {**prefixes, **dict(given)}
    for name, namespace in WELL_KNOWN.items():
        if namespace not in chosen.values():
            chosen.setdefault(name, namespace)
    return chosen


_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([tbnrf"\'\\]))')
_PLAIN = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


def _unescape(found: re.Match[str]) -> str:
    short, long, plain = found.groups()
    return _PLAIN.get(plain, plain) if plain else chr(int(short or long, 16))
