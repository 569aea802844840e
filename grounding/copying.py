"""Copy distributions: which tokens of the evidence may come next, and how likely each is.

After Pointer Networks (Vinyals et al. 2015, arXiv 1506.03134), used without training: in place of a
trained pointer, the positions come from what the text so far shares with the evidence, weighted by
the attention of heads that copy, or by nothing.

Copying says which word comes, the model when to stop (ours): the share that is copied is that of
the words, so a model that is about to close a string, a sentence or the text is left alone. Without
this a copy never ends before its passage does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tether.grounding.evidence import Bools, Clues, Floats, Ids, Moment, Need

_LONGEST = 16  # tokens of the output that are compared


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens of a passage that speak of what is asked.

    Attributes:
        tokens: int64 [n].
        start: The place of the first one in the prompt; -1 where the prompt lacks the passage.
        passage: The number of the passage.
        begins: Boolean [n]: an answer may begin here: a word does, and not one of the question.
        bare: int64 [n], the tokens as they stand where no space comes before them; -1 for none.
    """

    tokens: Ids
    start: int
    passage: int
    begins: Bools
    bare: Ids


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Stretches end to end; -1 stands between them, so that no match runs over.

    Attributes:
        ids: int64 [n].
        bare: int64 [n]; see `Stretch`.
        places: int64 [n], of each token in the prompt; -1 for none.
        origins: int64 [n], numbers of the passages.
        begins: Boolean [n].
    """

    ids: Ids
    bare: Ids
    places: Ids
    origins: Ids
    begins: Bools

    @classmethod
    def of(cls, stretches: Sequence[Stretch]) -> Stretches:
        """These stretches."""
        gap = np.array([-1])
        ids, bare, places, origins, begins = [gap], [gap], [gap], [gap], [gap < -1]
        for s in stretches:
            count = np.arange(len(s.tokens))
            ids += [s.tokens, gap]
            bare += [s.bare, gap]
            places += [s.start + count if s.start >= 0 else np.full(len(count), -1), gap]
            origins += [np.full(len(count), s.passage), gap]
            begins += [s.begins, gap < -1]
        return cls(*map(np.concatenate, (ids, bare, places, origins, begins)))

    def agreed(self, output: Ids) -> Ids:
        """For each position, how many tokens before it are the output's last ones, int64 [n]."""
        lengths = np.zeros(len(self.ids), dtype=np.int64)
        alive = np.ones(len(self.ids), dtype=bool)
        for back in range(1, min(len(output), _LONGEST, len(self.ids) - 1) + 1):
            alive[:back] = False
            alive[back:] &= self.ids[:-back] == output[-back]
            if not alive.any():
                break
            lengths += alive
        return lengths * (self.ids >= 0)


@dataclass(frozen=True, slots=True, eq=False)
class Copying:
    """The next token of the copy that the output is in, or the first one of another.

    Attributes:
        stretches: The evidence.
        words: Boolean [vocab], tokens that hold a letter or a digit.
        joins: Boolean [vocab], those of them that go on with a word: no space comes first.
        share: The part of the words' probability that is copied (lambda).
        heads: Copying heads of the model; empty to weigh all positions alike.
        gate: Attention that must lie on the positions.
        trust: The power of the model's own probability in the weight of a position.
    """

    stretches: Stretches
    words: Bools
    joins: Bools
    share: float
    heads: tuple[tuple[int, int], ...] = ()
    gate: float = 0.0
    trust: float = 0.0
    needs: frozenset[Need] = field(init=False)

    def __post_init__(self) -> None:
        """Attention is asked for only where heads are watched."""
        needs: set[Need] = {"log_p", "attention"} if self.heads else {"log_p"}
        object.__setattr__(self, "needs", frozenset(needs))

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        return [self._look(moment) if moment.open else None for moment in moments]

    def _look(self, moment: Moment) -> Clues | None:
        assert moment.log_p is not None, "it was asked for"
        output = np.asarray(moment.context[moment.start :], dtype=np.int64)
        ids, at = self._next(output)
        share = self.share
        if not self._inside(output, ids):
            share *= float(np.exp(moment.log_p[: len(self.words)][self.words]).sum())
        if not len(ids) or not share:
            return None
        weights, doubt = self._weights(moment, ids, at)
        if weights is None:
            return Clues(ids[:0], np.empty(0), doubt=doubt)
        return Clues(ids, weights, share, self.stretches.origins[at], doubt)

    def _next(self, output: Ids) -> tuple[Ids, Ids]:
        """Tokens that may be copied next, and their positions."""
        agreed = self.stretches.agreed(output)
        longest = int(agreed.max(initial=0))
        word = self._word(output)
        if longest >= max(word, 2 - (word > 0)):
            at = np.flatnonzero(agreed == longest)
            return self.stretches.ids[at], at
        if word:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        at = np.flatnonzero(self.stretches.begins)
        bare = at[self.stretches.bare[at] >= 0]
        both = np.concatenate([self.stretches.ids[at], self.stretches.bare[bare]])
        return both, np.concatenate([at, bare])

    def _word(self, output: Ids) -> int:
        """Tokens of the word that the output ends in; 0 between words."""
        for back, token in enumerate(output[::-1]):
            if not self.joins[token]:
                return back + bool(self.words[token])
        return len(output)

    def _inside(self, output: Ids, ids: Ids) -> bool:
        """Whether the copy stands within a word: a word is copied whole."""
        return len(ids) > 0 and self._word(output) > 0 and bool(self.joins[ids].all())

    def _weights(self, moment: Moment, ids: Ids, at: Ids) -> tuple[Floats | None, float]:
        """The probability of each position, and how far the gate is from turning."""
        assert moment.log_p is not None, "it was asked for"
        said = np.exp(self.trust * (moment.log_p[ids] - moment.log_p[ids].max()))
        if not self.heads:
            return said / said.sum(), np.inf
        assert moment.attention is not None, "it was asked for"
        places = self.stretches.places[at]
        looks = np.where(places >= 0, moment.attention[places], 0.0)
        mass = float(looks.sum())
        doubt = abs(mass - self.gate)
        if mass < self.gate or not mass:
            return None, doubt
        weights = looks * said
        return weights / weights.sum(), doubt
