"""Names made of labels, for graphs whose IRIs say nothing: `Heinrich_Hoch:` for `<http://e/Q42>`.

Such a name is a prefix of its own, whose namespace is the whole IRI: with the prefix declared, the
query stays SPARQL that every store understands.

    aliases.bin, aliases.npy   the prefixes (see `strings.py`)
    terms.npy                  int32 [num_aliases], the term of each
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tether.grounding.graph import terms
from tether.grounding.graph.facts import Facts
from tether.grounding.index.layout import Part
from tether.grounding.index.strings import Strings, StringWriter, load_array, save_array

_MOST = 60
_GAP = re.compile(r"[^0-9A-Za-zÀ-ÖØ-öø-˿Ͱ-ͽͿ-῿、-퟿]+")
_FIRST = re.compile("[A-Za-zÀ-ÖØ-öø-˿Ͱ-ͽͿ-῿、-퟿]")
_LAST_PART = re.compile(r"[^/#:]*[/#:]?$")
_WORDS = re.compile(
    "a|true|false|filter|optional|union|minus|graph|bind|values|undef|exists|not|select|where|in|as"
    "|group|order|having|limit|offset|distinct|reduced|base|prefix|ask|construct|describe|from"
    "|named|by|asc|desc|separator|rdf|rdfs|xsd|skos|owl",
    re.IGNORECASE,
)
"""Words that engines without a lexer could read instead of a prefix."""


def read_aliases(part: Part, facts: Facts) -> dict[str, str]:
    """IRI, as the dictionary has it, to the prefix that names it."""
    ids = load_array(part.folder / "terms.npy", "int32", 1)
    names = Strings(part.folder, "aliases")
    return {facts.terms[int(term)]: name for term, name in zip(ids, names, strict=True)}


def write_aliases(folder: Path, facts: Facts, prefixes: dict[str, str], language: str) -> int:
    """Write the names of all IRIs that have a label or else no short name; returns their number.

    Args:
        folder: Where to.
        facts: The facts of the graph.
        prefixes: Prefix -> namespace: what has a short name by them and no label keeps it.
        language: Of the labels; "" for those of none.
    """
    taken, owners = {name.casefold() for name in prefixes}, []
    with StringWriter(folder, "aliases") as writer:
        for term, wanted in _wanted(facts, prefixes, language):
            name, number = wanted, 1
            while name.casefold() in taken:
                number += 1
                name = f"{wanted}_{number}"
            taken.add(name.casefold())
            writer.append(name)
            owners.append(term)
    save_array(folder / "terms.npy", np.array(owners, np.int32))
    return len(owners)


def _wanted(facts: Facts, prefixes: dict[str, str], language: str) -> Iterator[tuple[int, str]]:
    """Each term that gets a name, and the name it should have."""
    writer, labels = terms.Shortener(prefixes), dict(_labels(facts, language))
    for term, text in enumerate(facts.terms):
        if not terms.is_iri(text):
            continue
        label = labels.get(term)
        if label is not None:
            yield term, _name(label, term)
        elif str(writer.text(text)).startswith("<"):
            found = _LAST_PART.search(text[1:-1])
            yield term, _name(found[0] if found else "", term)


def _labels(facts: Facts, language: str) -> Iterator[tuple[int, str]]:
    """Terms and their labels; a later one of a term takes the place of an earlier one."""
    for predicate in filter(None, map(facts.id, reversed(terms.LABELS))):
        rows = facts.rows("predicate", np.array([predicate], np.int32))
        for subject, label in zip(rows.subject[::-1], rows.object[::-1], strict=True):
            text = facts.terms[int(label)]
            if text.startswith('"') and terms.language(text) == language.lower():
                yield int(subject), terms.value(text)


def _name(label: str, term: int) -> str:
    """A label as a prefix; what cannot be one gets a number."""
    name = _GAP.sub("_", label).strip("_")[:_MOST].rstrip("_")
    if not name or terms.FEDERATION.search(name) or _WORDS.fullmatch(name):
        return f"n_{term}"
    return name if _FIRST.match(name) else f"n_{name}"
