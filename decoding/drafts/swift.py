"""The row's model drafts itself with some of its sub-layers left out (SWIFT); needs nothing else.

Worth it for models of many layers whose forward costs what their weights weigh: about 1.3 to 1.6
times the speed from 13 billion parameters on, and nothing for small ones, says the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tether.decoding.drafts.draft import Verdict
from tether.decoding.drafts.model import DraftModel
from tether.decoding.drafts.model_reader import Reader
from tether.decoding.drafts.swift_search import SkipSearch
from tether.decoding.models.base import Model, Network
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.states import read
from tether.errors import ModelError

_EVERY = 32  # turns between trials
_WINDOW, _BEFORE = 32, 96  # tokens that a trial foretells, and those that it reads before them


class Swift(DraftModel):
    """See `DraftModel`.

    Raises:
        ModelError: The network has no sub-layers to leave out, or too few.
    """

    name: ClassVar[str] = "swift"

    def __init__(self, model: Model, *, floor: float | None = None) -> None:
        whole = model.network
        if not isinstance(whole, LeanNetwork) or whole.num_layers < 4:
            raise ModelError(
                f"{model.name} cannot draft with some of its layers left out.",
                hint="Drafter swift takes models of the Llama, Mistral and Qwen families with at "
                "least 4 layers; use --draft auto.",
            )
        self._whole, self._search = whole, SkipSearch(whole.num_layers)
        self._turns = 0
        super().__init__(model, whole.without(self._search.best), floor=floor)

    def observe(self, verdict: Verdict) -> None:
        """See `Drafter.observe`. Now and then another set of sub-layers is tried."""
        super().observe(verdict)
        self._turns += 1
        num_said = len(verdict.context) - len(verdict.request.prompt)
        if self._search.is_over or self._turns % _EVERY or num_said < _WINDOW:
            return
        text = verdict.context[-(_WINDOW + _BEFORE) :]
        best = foretold(self._reader.network, text, _WINDOW)
        other = self._whole.without(self._search.trial())
        if self._search.compare(best, foretold(other, text, _WINDOW)):
            self._reader = Reader(other)


def foretold(network: Network, text: Sequence[int], count: int) -> float:
    """The share of a text's last `count` tokens that a network likes best where they stand."""
    [(_, states)] = read(network, [text[:-1]])
    likes: list[int] = network.head(states[-count:]).argmax(1).tolist()
    right = [a == b for a, b in zip(likes, text[-count:], strict=True)]
    return sum(right) / count
