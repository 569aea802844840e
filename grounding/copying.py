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
from itertools import pairwise

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
        begins: int64 [m], positions where an answer may begin.
        tokens: `ids` as a list.
        after: By token, the positions that follow it; none is a gap.
    """

    ids: Ids
    bare: Ids
    places: Ids
    origins: Ids
    begins: Ids
    tokens: list[int]
    after: dict[int, list[int]]

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
        joined = np.concatenate(ids)
        tokens: list[int] = joined.tolist()
        after: dict[int, list[int]] = {}
        for position, (before, token) in enumerate(pairwise(tokens), 1):
            if before >= 0 and token >= 0:
                after.setdefault(before, []).append(position)
        return cls(
            ids=joined,
            bare=np.concatenate(bare),
            places=np.concatenate(places),
            origins=np.concatenate(origins),
            begins=np.flatnonzero(np.concatenate(begins)),
            tokens=tokens,
            after=after,
        )

    def agreed(self, output: Sequence[int]) -> dict[int, int]:
        """Positions after the output's last token, and how many tokens before them agree."""
        found = {}
        for position in self.after.get(output[-1], ()) if output else ():
            length = 1
            while length < min(len(output), _LONGEST) and (
                self.tokens[position - length - 1] == output[-length - 1]
            ):
                length += 1  # a gap agrees with nothing, so this ends before the first token
            found[position] = length
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Copying:
    """The next token of the copy that the output is in, or the first one of another.

    Attributes:
        stretches: The evidence.
        words: Boolean [vocab], tokens that hold a letter or a digit.
        joins: Boolean [vocab], those of them that go on with a word: no space comes first.
        share: The part of the words' probability that is copied (lambda).
        heads: Copying heads of the model; empty to weigh all positions alike.
        gate: Attention that must lie on the positions for it to weigh them.
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
    others: Ids = field(init=False)

    def __post_init__(self) -> None:
        """Attention is asked for only where heads are watched; `others` are no words."""
        needs: set[Need] = {"log_p", "attention"} if self.heads else {"log_p"}
        object.__setattr__(self, "needs", frozenset(needs))
        object.__setattr__(self, "others", np.flatnonzero(~self.words))

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        return [self._look(moment) if moment.open else None for moment in moments]

    def _look(self, moment: Moment) -> Clues | None:
        assert moment.log_p is not None, "it was asked for"
        output = moment.context[max(moment.start, len(moment.context) - _LONGEST) :]
        word = self._word(output)
        at, ids = self._next(output, word)
        share = self.share
        if not (word and len(ids) and self.joins[ids].all()):  # a word is copied whole
            share *= 1 - float(np.exp(moment.log_p[self.others]).sum())
        if not len(ids) or share <= 0:
            return None
        weights, doubt = self._weights(moment, ids, at)
        return Clues(ids, weights, share, self.stretches.origins[at], doubt)

    def _next(self, output: Sequence[int], word: int) -> tuple[Ids, Ids]:
        """Positions of the tokens that may be copied next, and these tokens."""
        agreed = self.stretches.agreed(output)
        longest = max(agreed.values(), default=0)
        if longest >= max(word, 1 if word else 2):
            at = np.array([position for position, length in agreed.items() if length == longest])
            return at, self.stretches.ids[at]
        at = self.stretches.begins[: 0 if word else None]
        bare = at[self.stretches.bare[at] >= 0]
        both = np.concatenate([self.stretches.ids[at], self.stretches.bare[bare]])
        return np.concatenate([at, bare]), both

    def _word(self, output: Sequence[int]) -> int:
        """Tokens of the word that the output ends in; 0 between words."""
        for back, token in enumerate(reversed(output)):
            if not self.joins[token]:
                return back + bool(self.words[token])
        return len(output)

    def _weights(self, moment: Moment, ids: Ids, at: Ids) -> tuple[Floats, float]:
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
        weights = looks * said if mass >= self.gate and mass > 0 else said
        return weights / weights.sum(), doubt
