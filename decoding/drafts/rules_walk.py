"""A turn of a row under a rule: from drawn tokens and the model's answers to what the row says.

A rule reads what a drafter drew itself, whatever else is in the row's tree: a drawn token that was
not read ahead is judged like any other, and what others drafted only makes more answers known. So
pruning, merging and budgets change how far a turn gets, and not what the text follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft
from tether.decoding.drafts.rules import block_rule, candidates_rule, is_typical
from tether.decoding.drafts.rules_paths import Path, greatest
from tether.decoding.noise import gumbel, row_state

Answers = Callable[[Path], Tensor | None]
"""From chosen tokens to the model's distribution after them [vocab]; None where it was not read."""


@dataclass(slots=True)
class Drawn:
    """What a drafter drew for a row in one turn; places are named by the chosen tokens before them.

    Attributes:
        keys: The row's seed, its key and the number of the turn: nothing is drawn twice by them.
        q: What each place's tokens were drawn from, float64 [vocab].
        whole: All tokens up to a place, those that the grammar forces among them.
        candidates: Tokens for one place in the order in which they were drawn, none twice.
        paths: Paths that were drawn alike, each by itself; or there are candidates.
    """

    keys: tuple[int, str, int]
    q: dict[Path, Tensor] = field(default_factory=dict)
    whole: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    candidates: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)

    def choose(self, chances: Tensor, purpose: str) -> int:
        """A place of a distribution [n], drawn by the row's keys and what it is for."""
        state = torch.tensor([self.state(purpose)])
        noise = gumbel(state, torch.arange(len(chances))[None], torch.float64)[0]
        return int((chances.double().log().cpu() + noise).argmax())

    def state(self, purpose: str) -> int:
        """Of the noise of a draw."""
        seed, key, turn = self.keys
        return row_state(seed, f"{key}\x00{purpose}", turn)


@runtime_checkable
class Drawer(Protocol):
    """A drafter that draws for rules."""

    def drawn(self, row: object) -> Drawn | None:
        """What it drew for a row in this turn."""


def walk(drawn: Drawn, answers: Answers) -> list[int]:
    """The tokens that the row chooses in this turn; what follows them is chosen as ever."""
    if (first := answers(())) is None:
        return []
    _fit(drawn, len(first))
    return _by_paths(drawn, answers) if drawn.paths else _by_candidates(drawn, answers)


def walk_typical(tree: Draft, laws: Tensor, chosen: Sequence[bool]) -> list[int]:
    """The drafted tokens that a row takes because they are typical; the text is another one by it.

    Args:
        tree: What was drafted, whoever drew it.
        laws: float [1 + nodes, vocab], the model's distributions at the row's end and the nodes.
        chosen: Of each node, whether a token is chosen after it; else the grammar forces one.
    """
    said, node = list[int](), -1
    while children := [n for n, parent in enumerate(tree.parents) if parent == node]:
        if node >= 0 and not chosen[node]:
            node = children[0]
            continue
        law = laws[1 + node]
        found = next((n for n in children if is_typical(law, tree.tokens[n])), None)
        if found is None:
            break
        said.append(tree.tokens[found])
        node = found
    return said


def reads(tree: Draft, laws: Tensor, whole: Mapping[Path, Sequence[int]]) -> Answers:
    """Answers from what was read of a row: float [1 + nodes, vocab], its own end first."""

    def answer(path: Path) -> Tensor | None:
        tokens = whole.get(path)
        if tokens is None:
            return None
        nodes = list(tree.follow(tokens))
        return laws[1 + nodes[-1] if nodes else 0] if len(nodes) == len(tokens) else None

    return answer


def _by_candidates(drawn: Drawn, answers: Answers) -> list[int]:
    """Place by place, as long as candidates are accepted."""
    path: Path = ()
    while (known := answers(path)) is not None and (tokens := drawn.candidates.get(path)):
        law = candidates_rule(known, drawn.q[path], tokens)
        taken = drawn.choose(law.accept, f"accept {len(path)}")
        if taken == len(tokens):
            return [*path, drawn.choose(law.follow, f"instead {len(path)}")]
        path = (*path, tokens[taken])
    return list(path)


def _by_paths(drawn: Drawn, answers: Answers) -> list[int]:
    """The greatest path, as a block."""
    best = greatest(drawn.paths, answers, drawn.q)
    law = block_rule(best.p, best.q, best.tokens)
    taken = drawn.choose(law.accept, "accept")
    said = list(best.tokens[:taken])
    if taken == len(best.tokens):
        return said
    return [*said, drawn.choose(law.follow[taken], "instead")]


def _fit(drawn: Drawn, vocab: int) -> None:
    """Give what was drawn from as many ids as the model has; a drafter pads its own differently."""
    for path, q in drawn.q.items():
        drawn.q[path] = torch.cat([q[:vocab], q.new_zeros(max(0, vocab - len(q)))])
