"""Drafters for tests: one that knows the texts and lies at times, and bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import pytest

from tether.decoding.drafts import drafting
from tether.decoding.drafts.draft import NOTHING, Draft, Drafter, Need, Spot, Verdict
from tether.decoding.drafts.model_clock import Clock
from tether.decoding.drafts.pace import Pace


class Plain:
    """A drafter that proposes nothing and keeps what it was told."""

    name: ClassVar[str] = "told"
    needs: ClassVar[frozenset[Need]] = frozenset({"logits", "hidden"})

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.forgotten = 0

    def propose(self, spot: Spot, budget: int) -> Draft:
        return NOTHING

    def observe(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def forget(self, row: object) -> None:
        self.forgotten += 1

    def keep(self) -> None:
        pass


class Told(Plain):
    """Knows the texts of the rows; drafts trees in which they stand, or something beside them.

    Args:
        texts: Output tokens by the key of a request.
        truth: The chance that a draft goes on as the text does.
        seed: Of everything that is drawn.
        size: Of the vocabulary.
    """

    def __init__(
        self, texts: Mapping[str, Sequence[int]], truth: float, seed: int, size: int
    ) -> None:
        super().__init__()
        self._texts, self._truth, self._size = texts, truth, size
        self._rng = random.Random(seed)

    def propose(self, spot: Spot, budget: int) -> Draft:
        """Some nodes, each after a random earlier one, right ones among them."""
        said = list(spot.context[len(spot.request.prompt) :])
        text = list(self._texts[spot.request.key])
        rest = text[len(said) :] if text[: len(said)] == said else []
        tokens, parents, chances = list[int](), list[int](), list[float]()
        true = {-1: 0}  # nodes on the text's own path, and how far it has come there
        for node in range(self._rng.randint(0, 6)):
            parent = self._rng.randrange(-1, node)
            token = self._rng.randrange(self._size)
            if parent in true and true[parent] < len(rest) and self._rng.random() < self._truth:
                token, true[node] = rest[true[parent]], true[parent] + 1
            tokens.append(token)
            parents.append(parent)
            chances.append(self._rng.uniform(0.2, 1.0))
        return Draft(tuple(tokens), tuple(parents), tuple(chances))


class Bad(Plain):
    """Proposes what a function of spot and budget says."""

    def __init__(self, say: Callable[[Spot, int], Draft]) -> None:
        super().__init__()
        self._say = say

    def propose(self, spot: Spot, budget: int) -> Draft:
        return self._say(spot, budget)


@contextmanager
def eager() -> Iterator[None]:
    """Within, whatever is drafted is read, whether it pays or not: clocks decide nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "pays", lambda *_: True)
        patch.setattr(Pace, "least", lambda *_: 0.0)
        patch.setattr(Pace, "count", lambda _, gains, *__: len(gains))
        patch.setattr(Pace, "is_resting", False)
        yield


@contextmanager
def always(drafter: Drafter) -> Iterator[None]:
    """As `eager`, and the drafter is everyone's."""
    with pytest.MonkeyPatch.context() as patch, eager():
        patch.setattr(drafting, "make", lambda *_: drafter)
        yield
