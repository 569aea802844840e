"""A model draws tokens of a row for a rule, each by noise of its own (`rules_walk.py`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft, Spot
from tether.decoding.drafts.rules_beam import perturbed, widest
from tether.decoding.drafts.rules_paths import Path
from tether.decoding.drafts.rules_walk import Drawn
from tether.decoding.noise import gumbel
from tether.errors import DeadEnd
from tether.grammars.constraint import Mask, Matcher

_PATHS = 2  # drawn for the rule `paths`: more of them are worth less (tests)
_WIDTH = 3  # of the beam of the rule `rsd`
_CHANCE = 0.9  # what a node is said to be worth: what is nearer first, whatever was drawn

Scores = Callable[[Sequence[int], Mask | None], Tensor]
"""Log-probabilities [vocab] after so many drafted tokens, of what a mask allows."""


class Sampler:
    """Draws for one row and one turn.

    Args:
        spot: Where the row stands.
        scores: Of the drafter.
        ends: Tokens that are never drafted; the rest of the distribution is drawn from.
        turn: The number of the row's turn.
    """

    def __init__(self, spot: Spot, scores: Scores, ends: Collection[int], turn: int) -> None:
        sampling = spot.request.sampling
        self._scores, self._heat, self._ends = scores, sampling.temperature, list(ends)
        root = None if spot.matcher is None else spot.matcher.fork()
        self._matchers: dict[Path, Matcher | None] = {(): root}
        self._masks: dict[Path, Mask | None] = {(): None if root is None else root.mask()}
        self.drawn = Drawn((sampling.seed, spot.request.key, turn), whole={(): ()})

    def sample(self, rule: str, budget: int) -> Drawn:
        """Draw as a rule needs it, about `budget` tokens in all."""
        if rule == "rsd":
            self._beam(budget // _WIDTH)
        elif rule == "token":
            self._path(budget, 0)
        else:
            count = _PATHS if rule == "paths" else 1
            self.drawn.paths = [self._path(budget // count, number) for number in range(count)]
            self.drawn.candidates.clear()
        return self.drawn

    def draft(self) -> Draft:
        """The tree of all that was drawn."""
        places: dict[tuple[int, ...], int] = {}
        tokens, parents = list[int](), list[int]()
        for whole in sorted(self.drawn.whole.values(), key=len):
            for size in range(1, len(whole) + 1):
                if whole[:size] not in places:
                    places[whole[:size]] = len(tokens)
                    tokens.append(whole[size - 1])
                    parents.append(places.get(whole[: size - 1], -1))
        return Draft(tuple(tokens), tuple(parents), (_CHANCE,) * len(tokens))

    def _path(self, length: int, number: int) -> Path:
        """One path, token by token."""
        path: Path = ()
        while len(self.drawn.whole.get(path, ())) < length and (q := self._open(path)) is not None:
            token = self.drawn.choose(q, f"draw {number} {len(path)}")
            self.drawn.candidates[path] = (token,)
            path = self._step(path, token)
        return path

    def _beam(self, depth: int) -> None:
        """Paths without replacement, level by level."""
        beam: list[tuple[Path, float, float]] = [((), 0.0, 0.0)]  # log-probability, score
        for _ in range(depth):
            beam = [node for node in beam if self._open(node[0]) is not None]
            if not beam:
                return
            paths = [path for path, _, _ in beam]
            total, own = (torch.tensor([node[n] for node in beam]).double() for n in (1, 2))
            log_q = torch.stack([self.drawn.q[path] for path in paths]).log()
            noise = torch.stack([self._noise(path, log_q.shape[1]) for path in paths])
            scores = perturbed(log_q, noise, total, own)
            beam = []
            for node, token in widest(scores, _WIDTH):
                path, reached = paths[node], float(total[node] + log_q[node, token])
                self.drawn.candidates[path] = (*self.drawn.candidates.get(path, ()), token)
                beam.append((self._step(path, token), reached, float(scores[node, token])))

    def _noise(self, path: Path, size: int) -> Tensor:
        state = torch.tensor([self.drawn.state(f"beam {path}")])
        return gumbel(state, torch.arange(size)[None], torch.float64)[0]

    def _open(self, path: Path) -> Tensor | None:
        """What is drawn from at a place, float64 [vocab]; None where nothing can be."""
        if path not in self.drawn.whole:
            return None
        if path not in self.drawn.q:
            scores = self._scores(self.drawn.whole[path], self._masks[path]).double().cpu()
            q = torch.softmax(scores / self._heat, 0)
            q[self._ends] = 0
            if float(q.sum()) <= 0:
                return None
            self.drawn.q[path] = q / q.sum()
        return self.drawn.q[path]

    def _step(self, path: Path, token: int) -> Path:
        """The place behind a token and what it forces; not opened where the text ends there."""
        longer = (*path, token)
        matcher = self._matchers[path]
        if longer in self.drawn.whole:
            return longer
        forced: list[int] = []
        if matcher is not None:
            matcher = matcher.fork()
            try:
                matcher.advance(token)
                forced = [] if matcher.ended else matcher.forced()
                for each in forced:
                    matcher.advance(each)
                self._masks[longer] = matcher.mask()
            except DeadEnd:
                return longer
            if matcher.ended:
                return longer
        else:
            self._masks[longer] = None
        self._matchers[longer] = matcher
        self.drawn.whole[longer] = (*self.drawn.whole[path], token, *forced)
        return longer
