"""Which names of a graph a question mentions: BM25 over labels, or vectors too.

The passages of an index in the graph's own folder are its labels and other short texts, and the
last parts of the IRIs that have no label. Each is found by words, then judged: by how much of it
the question says, and whether another one that shares a word with it says more.

    passages, lexical, dense   see `grounding/index`
    passages/terms.npy         int32 [passages], the term that is written so
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from tether.grounding.graph import terms
from tether.grounding.graph.build import FIRST_USE_S
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.layout import GRAPH
from tether.grounding.index.embed import Embedder
from tether.grounding.index.layout import PASSAGES, Manifest
from tether.grounding.index.lexical import NAME as LEXICAL
from tether.grounding.index.lexical import Lexical, LexicalMaker
from tether.grounding.index.maker import Advance, Progress
from tether.grounding.index.store import Passages, PassageWriter
from tether.grounding.index.strings import load_array, save_array
from tether.grounding.index.writing import Edit, editing
from tether.grounding.words import words

_TERMS = "terms.npy"
_EVERY = 10_000
_DEPTH = 64  # texts that are judged
_ENDINGS = 3  # characters by which two forms of a word may differ at their ends
_STEM = 4  # characters that they share at least
_SPAN = 4  # words that a vector is asked for, at most
_ALIKE = 0.5  # cosine from which on two texts count as alike
_LAST_PART = re.compile(r"[^/#:]*(?=[/#:]?$)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+")


class Mention(NamedTuple):
    """A text of the graph that a question says, at least in part.

    Attributes:
        text: As the graph has it.
        terms: The terms that it names: itself where it is a literal, and what it is the label of.
        score: From 0 to 1, where all of it is said and nothing else explains these words better.
    """

    text: str
    terms: tuple[int, ...]
    score: float


class Mentions:
    """Finds mentions in questions; see `add_mentions`, which makes its parts.

    Args:
        manifest: Of a graph that has them.
        facts: Of the same graph.
    """

    def __init__(self, manifest: Manifest, facts: Facts) -> None:
        self._manifest, self._facts = manifest, facts
        part = manifest.part(PASSAGES)
        self._texts = Passages(part.folder).texts
        self._terms = load_array(part.folder / _TERMS, "int32", 1)
        self._lexical = Lexical(manifest.part(LEXICAL))

    def find(self, question: str, count: int, embedder: Embedder | None = None) -> list[Mention]:
        """The likeliest mentions, best first, ties in the order of the texts.

        Args:
            question: Any text.
            count: How many at most.
            embedder: The one that made the graph's vectors, where these shall be asked too.
        """
        found = self._by_words(question)
        for number, score in self._by_vectors(question, embedder):
            found[number] = max(found.get(number, 0.0), score)
        best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
        return [Mention(self._texts[n], self._named(n), round(s, 4)) for n, s in best]

    def _by_words(self, question: str) -> dict[int, float]:
        """Scores by text: the share of it that is said, times its claim on these words."""
        asked = dict.fromkeys(words(question))
        said = {form: word for word in asked for form in self._forms(word)}
        hits = self._lexical.search(" ".join(said), _DEPTH)
        judged = [(number, weight, *_matched(self._texts[number], said)) for number, weight in hits]
        claims: dict[str, float] = {}
        for _, weight, share, matched in judged:
            for word in matched:
                claims[word] = max(claims.get(word, 0.0), weight * share)
        return {
            number: share * weight * share / max(claims[word] for word in matched)
            for number, weight, share, matched in judged
            if matched
        }

    def _forms(self, word: str) -> Iterator[str]:
        """A word, and those of the graph that differ from it by a short ending only."""
        yield word
        vocabulary, stem = self._lexical.vocabulary, word[: max(_STEM, len(word) - _ENDINGS)]
        if len(stem) < _STEM:
            return
        first = bisect_left(range(len(vocabulary)), stem.encode(), key=vocabulary.bytes)
        others = (vocabulary[place] for place in range(first, len(vocabulary)))
        for other in takewhile(lambda other: other.startswith(stem), others):
            is_longer = other.startswith(word) and len(other) <= len(word) + _ENDINGS
            if other != word and (is_longer or word.startswith(other)):
                yield other

    def _by_vectors(self, question: str, embedder: Embedder | None) -> list[tuple[int, float]]:
        """Texts that are alike to some words of the question."""
        if embedder is None:
            return []
        from tether.grounding.index.dense import Dense  # imports FAISS

        spans = _spans(question.split())
        ids, cosines = Dense(self._manifest.part("dense")).search(embedder, spans, _DEPTH)
        pairs = zip(ids.ravel().tolist(), cosines.ravel().tolist(), strict=True)
        alike = [(number, cosine) for number, cosine in pairs if number >= 0 and cosine > _ALIKE]
        return [(number, (cosine - _ALIKE) / (1 - _ALIKE)) for number, cosine in sorted(alike)]

    def _named(self, number: int) -> tuple[int, ...]:
        term = int(self._terms[number])
        if not self._facts.terms[term].startswith('"'):
            return (term,)
        rows = self._facts.rows("object", np.array([term], np.int32))
        labelled = rows.subject[np.isin(rows.predicate, self._labels)]
        return (term, *np.unique(labelled).tolist())

    @cached_property
    def _labels(self) -> NDArray[np.int32]:
        return label_predicates(self._facts)


def label_predicates(facts: Facts) -> NDArray[np.int32]:
    """The terms whose objects are labels, int32 [n]."""
    found = (facts.id(predicate) for predicate in terms.LABELS)
    return np.array([term for term in found if term is not None], np.int32)


def has_mentions(manifest: Manifest, embedder: Embedder | None = None) -> bool:
    """Whether `Mentions` can be opened, and asked with this embedder."""
    if not (manifest.has(PASSAGES) and manifest.has(LEXICAL)):
        return False
    if embedder is None:
        return True
    by = manifest.part("dense").facts["fingerprint"] if manifest.has("dense") else None
    return by == embedder.fingerprint


def add_mentions(path: Path, facts: Facts, embedder: Embedder | None, progress: Progress) -> None:
    """Add the parts that `Mentions` reads to the graph at `path`.

    Raises:
        OutputError: The folder cannot be written.
        UsageError: Another process writes the graph.
    """
    with editing(path, kind=GRAPH, patience_s=FIRST_USE_S) as edit:
        if has_mentions(edit.old, embedder):
            return  # by another process, meanwhile
        passages = _put_texts(edit, facts, progress.stage("labels", facts.num_terms))
        LexicalMaker().make(edit, passages, None, progress)
        if embedder is not None:
            from tether.grounding.index.dense_maker import DenseMaker

            DenseMaker(lambda: embedder).make(edit, passages, None, progress)


def _put_texts(edit: Edit, facts: Facts, advance: Advance) -> Passages:
    stated: dict[str, Any] = {}

    def write(folder: Path) -> None:
        owners: list[int] = []
        with PassageWriter(folder) as writer:
            for term, text in _written(facts, advance):
                writer.add("", text, [(0, len(text))])
                owners.append(term)
            stated.update(writer.facts)
        save_array(folder / _TERMS, np.array(owners, np.int32))

    return Passages(edit.put(PASSAGES, stated, write).folder)


def _written(facts: Facts, advance: Advance) -> Iterator[tuple[int, str]]:
    """Each term that a question can mention, and how: short texts, and IRIs without a label."""
    labelled = np.unique(facts.rows("predicate", label_predicates(facts)).subject)
    spoken = np.concatenate([facts.roles["subject"], facts.roles["object"]])
    apart = [facts.roles["predicate"], facts.roles["class"], labelled]
    bare = set(np.setdiff1d(spoken, np.concatenate(apart)).tolist())
    meta = _only_meta(facts)
    for term, text in enumerate(facts.terms):
        if term % _EVERY == 0:
            advance(term)
        if text.startswith('"') and len(text) <= terms.MOST_CHARACTERS and term not in meta:
            if text.endswith('"') or terms.language(text):
                yield term, terms.value(text)
        elif term in bare and text.startswith("<"):
            yield term, _spoken(text[1:-1])


def _only_meta(facts: Facts) -> set[int]:
    """Literals that are said of classes and predicates only: no question is about these."""
    schema = np.union1d(facts.roles["predicate"], facts.roles["class"])
    about = facts.rows("subject", schema).object
    rows = facts.rows("object", np.unique(about))
    others = rows.object[~np.isin(rows.subject, schema)]
    return set(np.setdiff1d(about, others).tolist())


def _spoken(iri: str) -> str:
    """The last part of an IRI as words: `empl-Karen.Brant%40x.org` -> `empl Karen Brant x org`."""
    found = _LAST_PART.search(iri)
    return _HUMP.sub(" ", unquote(found[0] if found else "")).strip()


def _matched(text: str, said: dict[str, str]) -> tuple[float, list[str]]:
    """The share of a text that is said, and the words of the question that say it.

    Words count by their letters: so the short ones, which say little, count little.
    """
    own = words(text)
    known = [word for word in own if word in said]
    share = sum(map(len, known)) / max(sum(map(len, own)), 1)
    return share, [said[word] for word in known]


def _spans(parts: list[str]) -> list[str]:
    """All runs of up to some words."""
    return [
        " ".join(parts[start : start + length])
        for length in range(1, _SPAN + 1)
        for start in range(len(parts) - length + 1)
    ]
