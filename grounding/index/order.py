"""In which order passages stand in a prompt. Knows texts, not indexes or models.

A model reads a chain of facts best in the order of the reasoning, and the last passage, next to
the question, best of all. An order is a list of places in the given passages, which come best
first.

Source of `peak`: the attention heuristic of "Masking in Multi-hop QA: An Analysis of How Language
Models Perform with Context Permutation" (ACL 2025); `chain` is its cheap stand-in of ours.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from tether.errors import UsageError

Order = Literal["rank", "reverse", "chain", "peak"]
ORDERS: tuple[Order, ...] = get_args(Order)
TRIES = 20

Attention = Callable[[Sequence[int]], Sequence[float]]
"""Attention mass that the answer gives each passage, [passages], when they stand in this order."""

_WORD = re.compile(r"\w+")


def arrange(
    question: str, texts: Sequence[str], order: Order, attention: Attention | None = None
) -> list[int]:
    """The places of `texts` (best first) in the order in which the prompt should hold them.

    Args:
        question: What is asked.
        texts: The passages found, best first.
        order: "rank" as found, "reverse" best last, "chain" by shared names, "peak" by attention.
        attention: What "peak" measures with; each call is one generation.

    Raises:
        UsageError: "peak" without attention.
    """
    if order == "rank":
        return list(range(len(texts)))
    if order == "reverse":
        return list(reversed(range(len(texts))))
    if order == "chain":
        return chain(question, texts)
    if attention is None:
        raise UsageError(
            "The order 'peak' measures attention, which is not to be had here.",
            hint="Use rank, reverse or chain.",
        )
    return peak(len(texts), attention)


def chain(question: str, texts: Sequence[str]) -> list[int]:
    """Passages as links: first the one nearest the question, then what shares most with it all.

    Nearness is the weight of shared words, rare ones and names counting more. A link is a passage
    that shares a name with an earlier one which the question does not hold. Without any link there
    is no chain, and the best passage comes last.
    """
    words = [_words(text) for text in texts]
    weights = _weights([question, *texts], words)
    known = _words(question)
    left, placed, linked = list(range(len(texts))), list[int](), False
    while left:
        nearest = max(left, key=lambda i: (_nearness(words[i] & known, weights), -i))
        bridge = words[nearest] & known - _words(question)
        linked = linked or any(weights[word] >= _NAME for word in bridge)
        known = known | words[nearest]
        placed.append(nearest)
        left.remove(nearest)
    return placed if linked else list(reversed(range(len(texts))))


def peak(count: int, attention: Attention, tries: int = TRIES, seed: int = 0) -> list[int]:
    """Of `tries` orders, the one whose most attended passage is attended most; the first of equals.

    The first order tried is that of the ranks, the others are drawn from the seed. Each costs one
    generation with attention weights (eager attention): 20 times the time of "rank", and more.

    Args:
        count: Passages.
        attention: Called with an order; gives the mass of each place of it, [count].
        tries: Orders to try, the ranks' included; no order is tried twice.
        seed: Of the orders drawn.
    """
    draw = random.Random(seed)
    orders = [tuple(range(count))]
    while len(orders) < min(tries, math.factorial(count)):
        order = tuple(draw.sample(range(count), count))
        if order not in orders:
            orders.append(order)
    best = max(orders, key=lambda order: max(attention(order), default=0.0))
    return list(best)


_NAME = 10.0
"""What a name weighs above any other word: a shared name outweighs a few shared plain words."""


def _nearness(shared: frozenset[str], weights: Mapping[str, float]) -> float:
    return math.fsum(weights[word] for word in shared)  # exact: a set has no order


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def _weights(everything: Sequence[str], words: Sequence[frozenset[str]]) -> dict[str, float]:
    """log(1 + passages / passages with the word), and `_NAME` more for a name.

    A name holds a digit, or is written with a capital and never without one; a capital that only
    begins sentences is told by a lower-case twin elsewhere, which small sets may lack. Scripts
    without capitals have no names but those with digits, so that "chain" is mostly "reverse" there.
    """
    spellings = {word for text in everything for word in _WORD.findall(text)}
    frequency = Counter(word for found in words for word in found)
    weights = {}
    for spelling in spellings:
        word = spelling.casefold()
        capital = spelling != word and word not in spellings
        name = capital or any(letter.isdigit() for letter in word)
        rarity = math.log(1 + len(words) / max(frequency[word], 1))
        weights[word] = rarity + (_NAME if name else 0)
    return weights
