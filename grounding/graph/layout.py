"""The folder of a graph: parts under one manifest, laid out as an index is (`index/layout.py`).

facts            terms and triples as numbers (`facts.py`); the other parts are made from it
store            the quads, as pyoxigraph keeps them on disk
aliases          names made of labels, where the graph was built so (`aliases.py`)
names-KEY        the names as tokens of the vocabulary whose key begins so (`names.py`)
"""

from __future__ import annotations

from tether.grounding.index.layout import Kind

FACTS = "facts"
STORE = "store"
ALIASES = "aliases"
NAMES = "names-"
SUFFIX = ".tether-graph"

GRAPH = Kind("graph", "a", FACTS, "tether graph build DATA...")
