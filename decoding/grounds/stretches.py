"""From the passages of a row to the stretches that speak of what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from tether.decoding.grounds.ground import Given, Told, word_tokens
from tether.grammars.vocabulary import Vocabulary
from tether.grounding.copying import Stretch
from tether.grounding.evidence import Bools, Ids
from tether.grounding.relevance import Sentence, relevant

_WORD = re.compile(r"\w+")
_LABEL = re.compile(r"[\w ]{1,24}:\s")


def stretches(given: Given) -> list[Stretch]:
    """The relevant sentences of all passages; the whole passages where nothing is asked."""
    texts = [told.text.strip() for told in given.passages]
    whole = [[Sentence(0, len(text))] for text in texts]
    spoken = relevant(given.question, texts) if given.question else whole
    asked = {word.casefold() for word in _WORD.findall(given.question)}
    found: list[Stretch] = []
    for number, (told, text) in enumerate(zip(given.passages, texts, strict=True)):
        found += _cut(given.model.vocabulary, told, text, spoken[number], number, asked)
    return found


def _cut(
    vocabulary: Vocabulary,
    told: Told,
    text: str,
    spoken: list[Sentence],
    number: int,
    asked: set[str],
) -> Iterator[Stretch]:
    ends = np.cumsum([len(vocabulary.tokens[token]) for token in told.tokens])
    # The first token may begin before the passage does, with a space.
    ends += len(text.encode()) - int(ends[-1]) if len(ends) else 0
    begins = _begins(text, ends, asked) & word_tokens(vocabulary)[0][list(told.tokens)]
    tokens = np.array(told.tokens, dtype=np.int64)
    bare = np.array([_bare_ids(vocabulary).get(token, -1) for token in told.tokens], dtype=np.int64)
    for sentence in spoken:
        first = int(np.searchsorted(ends, len(text[: sentence.start].encode()), "right"))
        last = int(np.searchsorted(ends, len(text[: sentence.end].encode()), "left")) + 1
        place = told.start + first if told.start >= 0 else -1
        part = slice(first, last)
        yield Stretch(tokens[part], place, number, begins[part], bare[part])


def _begins(text: str, ends: Ids, asked: set[str]) -> Bools:
    """Boolean [tokens]: a word that the question lacks begins in this token."""
    begins = np.zeros(len(ends), dtype=bool)
    for word in _WORD.finditer(text):
        if word[0].casefold() not in asked and not _LABEL.match(text, word.start()):
            first = len(text[: word.start()].encode())
            begins[np.searchsorted(ends, first, "right")] = True
    return begins


@lru_cache(maxsize=8)
def _bare_ids(vocabulary: Vocabulary) -> dict[int, int]:
    """Tokens that begin with a space, and the same text without it."""
    known = {text: token for token, text in enumerate(vocabulary.tokens) if text}
    spaced = ((token, text[1:]) for text, token in known.items() if text[:1] == b" ")
    return {token: known[rest] for token, rest in spaced if rest in known}
