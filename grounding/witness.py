"""Sources that watch a row and change nothing: what it looks at, and how sure its model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen of an answer.

    Attributes:
        looked: Attention on the relevant sentences before the first choice, 0 to 1.
        rested: The same, mean over all choices.
        sure: The least log-probability that the model gave to a token that was taken.
    """

    looked: float
    rested: float
    sure: float


class Witness:
    """Watches one row; see `tether.grounding.evidence.Source`.

    What was seen of tokens that are taken back is forgotten.

    Args:
        passages: Places in the prompt of each passage's tokens, int64 [tokens] each.
        relevant: Places of the tokens of the relevant sentences, int64 [n].
        heads: Copying heads of the model; empty where it has none: attention then counts as 0.
    """

    def __init__(
        self, passages: Sequence[Ids], relevant: Ids, heads: tuple[tuple[int, int], ...]
    ) -> None:
        self.heads = heads
        needs: set[Need] = {"log_p", "attention"} if heads else {"log_p"}
        self.needs = frozenset(needs)
        self._places = (*passages, relevant)
        self._masses: dict[int, Floats] = {}  # by the place in the output; the last is `relevant`
        self._sure: dict[int, float] = {}
        self._newest: Floats = np.empty(0)  # log-probabilities of the newest choice

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        for moment in moments:
            self._note(moment)
        return [None] * len(moments)

    def signs(self, tokens: Sequence[int], num_output: int) -> Signs | None:
        """What was seen of an answer; None where nothing was left to choose.

        Args:
            tokens: The answer's.
            num_output: Tokens of the whole output, thinking included.
        """
        first = num_output - len(tokens)
        places = [place for place in self._masses if first <= place < num_output]
        if not places:
            return None
        newest, sure = max(self._masses), dict(self._sure)
        if newest < num_output:
            sure[newest] = float(self._newest[tokens[newest - first]])
        relevant = [float(self._masses[place][-1]) for place in places]
        return Signs(relevant[0], float(np.mean(relevant)), min(sure[place] for place in places))

    def attention(self) -> list[float]:
        """Mean attention on each passage over all choices, [passages]."""
        if not self._masses:
            return [0.0] * (len(self._places) - 1)
        return [float(mass) for mass in np.mean(list(self._masses.values()), axis=0)[:-1]]

    def _note(self, moment: Moment) -> None:
        assert moment.log_p is not None, "it was asked for"
        place = len(moment.context) - moment.start
        for gone in [known for known in self._masses if known >= place]:
            del self._masses[gone]
            self._sure.pop(gone, None)
        before = max(self._masses, default=None)
        if before is not None and before not in self._sure:
            self._sure[before] = float(self._newest[moment.context[moment.start + before]])
        looks = moment.attention
        masses = [0.0 if looks is None else float(looks[at].sum()) for at in self._places]
        self._masses[place], self._newest = np.array(masses), moment.log_p


class Ballot:
    """Keeps the first choice of one row: how its model weighs the answers; see `Source`."""

    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = frozenset({"log_p", "allowed"})

    def __init__(self) -> None:
        self._first: Moment | None = None

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        self._first = self._first or moments[0]
        return [None] * len(moments)

    def odds(self, tokens: Sequence[bytes], yes: bytes, no: bytes) -> float:
        """Log-odds of the tokens that begin as `yes` does against those that begin as `no` does.

        Args:
            tokens: The vocabulary.
            yes: The first byte of one answer.
            no: That of the other.
        """
        first = self._first
        assert first is not None, "the row was decoded"
        assert first.log_p is not None, "it was asked for"
        assert first.allowed is not None, "it was asked for"
        sides = {yes: -np.inf, no: -np.inf}
        for token in np.flatnonzero(first.allowed):
            side = tokens[token][:1]
            if side in sides:
                sides[side] = np.logaddexp(sides[side], first.log_p[token])
        return float(sides[yes] - sides[no])
