"""Queries of random choices, with which the guarantees of SPARQL are tried: here, in benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tether.grammars.budget import BudgetedMatcher
from tether.grammars.constraint import Constraint, allowed_ids
from tether.grammars.sparql.matcher import QueryMatcher
from tether.grammars.vocabulary import Vocabulary

LIMIT = 100
"""Tokens of a query."""
_SHARE_OF_ENDS = 0.5
_SPREAD, _WORD, _SHORT = 3.0, -40.0, -12.0
"""Of the logits of a wilful query: their deviation, and what words and the letters below lose."""
_LETTERS = (b"x", b"y", b"z")


def query(constraint: Constraint, seed: int, limit: int = LIMIT) -> str:
    """A query of random logits."""
    return walk(constraint, seed, limit)[0]


def walk(constraint: Constraint, seed: int, limit: int = LIMIT) -> tuple[str, QueryMatcher]:
    """A query of random logits, and the matcher at its end.

    Every other one is wilful: its logits are drawn once, and short variables are dear to it, so
    that its patterns form joins and rings. The others choose evenly.
    """
    dice, matcher = np.random.default_rng(seed), constraint.start()
    assert isinstance(matcher, BudgetedMatcher)
    assert isinstance(matcher._inner, QueryMatcher)
    matcher.limit(limit)
    logits = _wilful(constraint.vocabulary, dice) if seed % 2 else None
    mask = np.zeros(constraint.vocabulary.num_words, np.int32)
    tokens: list[int] = []
    while not matcher.ended:
        run = matcher.forced()
        if not run:
            matcher.fill_mask(mask)
            ends = matcher.can_end and dice.random() < _SHARE_OF_ENDS
            allowed = np.array(list(allowed_ids(mask)))
            noise = dice.gumbel(size=len(allowed))
            noisy = noise if logits is None else logits[allowed] + noise
            token = int(allowed[np.argmax(noisy)])
            run = [constraint.vocabulary.eos_id if ends else token]
        for token in run:
            matcher.advance(token)
        tokens += run
        if back := matcher.retreat():
            del tokens[-back:]
    return constraint.vocabulary.decode(tokens), matcher._inner


def _wilful(vocabulary: Vocabulary, dice: np.random.Generator) -> npt.NDArray[np.float64]:
    """Logits, float64 [vocabulary]."""
    losses = [
        _SHORT if token in _LETTERS else _WORD if token.replace(b"_", b"a").isalnum() else 0.0
        for token in vocabulary.tokens
    ]
    return np.asarray(dice.normal(0, _SPREAD, len(losses)) + losses)


def rings(nodes: int, seed: int = 0) -> Iterator[str]:
    """Turtle of a graph full of cycles, with an arc-consistent triangle that nothing closes.

    By `:p`, `:q` and `:r` every node has a neighbour on both sides, and going round by them leads
    to another node each time: the patterns `?a :p ?b . ?b :q ?c . ?c :r ?a` have no solution. By
    `:to` and `:near` there are rings of every length.
    """
    dice = random.Random(seed)
    yield "@prefix : <http://e/> .\n"
    for one in range(nodes):
        following = (one + 1) % nodes
        yield f":a{one} :p :b{one} ; :v {dice.randrange(50)} . :b{one} :q :c{one} .\n"
        yield f":c{one} :r :a{following} ; a :C{dice.randrange(3)} .\n"
        for name in ("to", "near", "near"):
            yield f":a{one} :{name} :a{dice.randrange(nodes)} . :b{one} :{name} :a{one} .\n"
