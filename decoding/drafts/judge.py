"""Lossy acceptance: small trained heads say whether a drafted token, or step, is good enough.

Only where asked for (`--lossy judge`, `--lossy arbitrage`), and of free text alone: what belongs to
the structure, the model chooses itself. Both read the model's own states after drafted tokens.
Sources: Judge Decoding, Bachmann et al. 2025 (arXiv 2501.19309), a linear head that accepts what is
right though the model would have said it otherwise; Arbitrage, advantage-aware step routing, a
router that keeps a drafted step where the model's own would be no better. Ours: a step is what a
turn drafts of one free text, and one file beside the weights holds both heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tether.decoding.drafts.beside import Beside, Facts
from tether.decoding.drafts.draft import Draft
from tether.decoding.models.base import Model

BESIDE = Beside(
    Path("drafter") / "judge.safetensors",
    "tether_draft_judge",
    "judge of drafted tokens",
    "--lossy typical",
)

IsOpen = Callable[[int], bool]
"""Whether free text goes on after a node of a draft; -1 is the row's own end."""
Likes = Callable[[Tensor], list[bool]]
"""Which of some states [n, width] after drafted tokens are good enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Two linear heads, float [width + 1] each, the last number a bias.

    Attributes:
        token: The log-odds that a drafted token is right, from the state after it.
        step: The log-odds that a step is as good as the model's own, from the mean of its states.
    """

    token: Tensor
    step: Tensor

    def likes(self, states: Tensor, at: float) -> list[bool]:
        """Of states [n, width] after drafted tokens, which are right with more than this chance."""
        return _surer(states, self.token, at)

    def keeps(self, states: Tensor, at: float) -> bool:
        """Whether a step with states [n, width] is as good with more than this chance."""
        return _surer(states.mean(0, keepdim=True), self.step, at)[0]

    def to(self, like: Tensor) -> Judge:
        """The same in the dtype and on the device of a tensor."""
        return Judge(self.token.to(like), self.step.to(like))

    def save(self, path: Path, facts: Facts) -> None:
        """Write float32 safetensors with the facts in the header."""
        BESIDE.save(path, {"token": self.token.detach(), "step": self.step.detach()}, facts)


def load(model: Model) -> Judge:
    """The judge beside a checkpoint.

    Raises:
        ModelError: See `Beside.load`.
    """
    return Judge(**BESIDE.load(model, ("token", "step")))


def judged(
    draft: Draft, node: int, choice: int, states: Tensor, is_open: IsOpen, likes: Likes
) -> int:
    """What a row says after a node: its own choice where that is drafted, else what is liked.

    Args:
        draft: Of the row.
        node: Where the row stands; -1 before the first.
        choice: The token that the row has chosen there.
        states: [nodes, width], the model's after each node.
        is_open: Tokens are judged where free text goes on before and after them.
        likes: See there.
    """
    after = [n for n, parent in enumerate(draft.parents) if parent == node]
    if any(draft.tokens[n] == choice for n in after) or not is_open(node):
        return choice
    free = [n for n in after if is_open(n)]
    found = zip(free, likes(states[free]) if free else (), strict=True)
    return next((draft.tokens[n] for n, is_liked in found if is_liked), choice)


def step_of(draft: Draft, chosen: Sequence[bool], is_open: IsOpen) -> list[int]:
    """The nodes along the likeliest path from a row's end, as long as they are free text.

    Args:
        draft: The likeliest successor of a place stands before the others.
        chosen: Of each node, whether a token is chosen after it; else the grammar forces one.
        is_open: See there.
    """
    path, node = list[int](), -1
    while is_open(node) and (node < 0 or chosen[node]):
        after = next((n for n, parent in enumerate(draft.parents) if parent == node), None)
        if after is None or not is_open(after):
            break
        path.append(after)
        node = after
    return path


def _surer(states: Tensor, head: Tensor, at: float) -> list[bool]:
    """Whether the log-odds of states [n, width] under a head exceed those of a chance."""
    if not 0 < at < 1:
        return [at <= 0] * len(states)
    odds = states.to(head) @ head[:-1] + head[-1]
    found: list[bool] = (odds > math.log(at / (1 - at))).tolist()
    return found
