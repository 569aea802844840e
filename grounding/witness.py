"""Sources that watch a row and change nothing; see `tether.grounding.evidence.Source`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need


class Surety:
    """How sure the model was of each token that one row took."""

    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = frozenset({"log_p"})

    def __init__(self) -> None:
        self._newest: tuple[int, Floats] | None = None  # a place in the output, and its choice
        self._taken: dict[int, float] = {}

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        for moment in moments:
            assert moment.log_p is not None, "it was asked for"
            place = len(moment.context) - moment.start
            self._settle(moment.context[moment.start :])
            self._taken = {known: sure for known, sure in self._taken.items() if known < place}
            self._newest = (place, moment.log_p)
        return [None] * len(moments)

    def least(self, tokens: Sequence[int], num_output: int) -> float | None:
        """The least log-probability of an answer's tokens; None where none was chosen.

        Args:
            tokens: The answer's.
            num_output: Tokens of the whole output, thinking included.
        """
        answer = range(num_output - len(tokens), num_output)
        self._settle([-1] * answer.start + list(tokens))
        return min((sure for place, sure in self._taken.items() if place in answer), default=None)

    def _settle(self, output: Sequence[int]) -> None:
        """Note what became of the newest choice, where the output still holds it."""
        if self._newest is not None and self._newest[0] < len(output):
            place, log_p = self._newest
            self._taken[place] = float(log_p[output[place]])


class Gaze:
    """How much the copying heads look at each passage while one row is decoded.

    Args:
        passages: Places in the prompt of each passage's tokens, int64 [tokens] each.
        heads: Of the model.
    """

    needs: frozenset[Need] = frozenset({"attention"})

    def __init__(self, passages: Sequence[Ids], heads: tuple[tuple[int, int], ...]) -> None:
        self.heads = heads
        self._passages = passages
        self._masses: dict[int, list[float]] = {}  # by the place in the output

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        for moment in moments:
            looks, place = moment.attention, len(moment.context) - moment.start
            assert looks is not None, "it was asked for"
            self._masses = {known: m for known, m in self._masses.items() if known < place}
            self._masses[place] = [float(looks[at].sum()) for at in self._passages]
        return [None] * len(moments)

    def attention(self) -> list[float]:
        """Mean attention on each passage over all choices, [passages]."""
        if not self._masses:
            return [0.0] * len(self._passages)
        return [float(mass) for mass in np.mean(list(self._masses.values()), axis=0)]


class Ballot:
    """Keeps the first choice of one row: how its model weighs the answers."""

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
        for token in np.flatnonzero(first.allowed).tolist():
            side = tokens[token][:1]
            if side in sides:
                sides[side] = np.logaddexp(sides[side], first.log_p[token])
        return float(sides[yes] - sides[no])
