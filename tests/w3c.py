"""The queries of the W3C's suites (sparql10, sparql11) beside the checkout, by what is expected."""

from __future__ import annotations

import tarfile
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyoxigraph
from pyoxigraph import NamedNode

_MANIFEST = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
_QUERY = "http://www.w3.org/2001/sw/DataAccess/tests/test-query#query"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_BASE = "http://suite/"


@lru_cache(maxsize=1)
def queries(archive: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Path -> text of the positive queries, of the negative ones, and of all updates."""
    texts: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            held = tar.extractfile(member) if member.isfile() else None
            if held is not None:
                texts[member.name] = held.read().decode()
    good: set[str] = set()
    bad: set[str] = set()
    for name in texts:
        if name.endswith(".ttl"):
            _sort(name, texts[name], good, bad)
    kept = [{n: texts[n] for n in sorted(names) if n in texts} for names in (good, bad)]
    updates = {name: text for name, text in texts.items() if name.endswith(".ru")}
    return kept[0], kept[1], updates


def _sort(name: str, text: str, good: set[str], bad: set[str]) -> None:
    store = pyoxigraph.Store()
    store.load(text, format=pyoxigraph.RdfFormat.TURTLE, base_iri=_BASE + name)
    for quad in store.quads_for_pattern(None, NamedNode(_TYPE), None):
        kind = str(quad.object)
        if "Update" in kind:
            continue
        for action in store.quads_for_pattern(quad.subject, NamedNode(_MANIFEST + "action"), None):
            named = action.object
            if isinstance(named, pyoxigraph.BlankNode):
                inner = store.quads_for_pattern(named, NamedNode(_QUERY), None)
                named = next((q.object for q in inner), named)
            path = unquote(urlsplit(str(named)[1:-1]).path).lstrip("/")
            if path.endswith(".rq"):
                (bad if "Negative" in kind else good).add(path)
