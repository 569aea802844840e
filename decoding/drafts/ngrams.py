"""N-gram tables learned from the model's own answers, for texts that are much alike.

After the last three, two or one tokens: the tokens that the model thought likely there, with their
probabilities, averaged over all times that it was asked, by all rows. Where a row draws by chance,
the noise of the very place is added, so that what is drafted is what would be drawn if the table
were right. Source: STAND, Song et al. 2025 (arXiv 2506.04708), and the tri-gram matrix of ADED, Liu
et al. 2024 (arXiv 2407.12021). Deviations: the noise is the row's own, which makes their sampling
without replacement exact for us; ADED's guided search is the best-first growth of all drafts.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tether.decoding.drafts import kept
from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.successors import BEST, Ranks, best, places
from tether.decoding.models.base import Model
from tether.decoding.noise import gumbel_of, hashes

_LONGEST = 3
_MOST = 60_000  # contexts; the oldest are forgotten
_WORTH_KEEPING = 64  # turns learned from since the file was read
_RECENT = 16.0  # answers after which an average forgets the oldest


class _Successors(NamedTuple):
    """Likely tokens, the likeliest first, and of how many answers they are the average."""

    ids: NDArray[np.int32]
    shares: NDArray[np.float32]
    weight: float


class Ngrams:
    """See `Drafter`; what it knows outlives the run.

    Args:
        model: Its fingerprint.
    """

    name: ClassVar[str] = "ngrams"
    needs: ClassVar[frozenset[Need]] = frozenset({"logits"})

    def __init__(self, model: Model) -> None:
        self._fingerprint = model.fingerprint
        self._size = model.network.head_size
        self._table: dict[tuple[int, ...], _Successors] = {}
        self._ranks = Ranks(_LONGEST + 1)
        self._num_learned = 0
        self._load()

    def propose(self, spot: Spot, budget: int) -> Draft:
        """The successors of the longest known end of the context."""
        found = self._find(tuple(spot.context[-_LONGEST:]))
        if found is None or budget < 1:
            return NOTHING
        order, known = found
        ids = self._drawn(spot, known)
        chances = tuple(self._ranks.chance(rank, order) for rank in range(len(ids)))
        return Draft(tuple(ids), (-1,) * len(ids), chances)

    def observe(self, verdict: Verdict) -> None:
        """Average the answers in, and note of which rank the choices were."""
        for choice in verdict.choices:
            if choice < len(verdict.said):
                context = (*verdict.context[-_LONGEST:], *verdict.said[:choice])[-_LONGEST:]
                self._rate(verdict, context, choice)
        if verdict.logits is None:
            return
        ids, log_q = best(verdict.logits)
        for at, place in enumerate(places(verdict, _LONGEST)):
            real = ids[at] >= 0
            for length in range(1, len(place) + 1):
                self._add(place[-length:], ids[at][real], np.exp(log_q[at][real]))
        self._num_learned += 1

    def forget(self, row: object) -> None:
        """Nothing is kept of a row."""

    def keep(self) -> None:
        """Write the table."""
        if self._num_learned < _WORTH_KEEPING:
            return
        self._num_learned = 0
        arrays = _none(len(self._table))
        for at, (context, known) in enumerate(self._table.items()):
            arrays["contexts"][at, : len(context)] = context
            arrays["ids"][at, : len(known.ids)] = known.ids
            arrays["shares"][at, : len(known.shares)] = known.shares
            arrays["counts"][at] = known.weight
        kept.store(self.name, self._fingerprint, arrays)

    def _find(self, context: tuple[int, ...]) -> tuple[int, _Successors] | None:
        for length in range(len(context), 0, -1):
            if (known := self._table.get(context[-length:])) is not None:
                return length, known
        return None

    def _drawn(self, spot: Spot, known: _Successors) -> list[int]:
        """The successors in the order in which the noise of the place draws them."""
        temperature = spot.request.sampling.temperature
        if not temperature:
            return [int(token) for token in known.ids]
        bits = hashes(spot.noise_state(), known.ids.astype(np.int64))
        noise = gumbel_of(bits, np.dtype(np.float64))
        scores = np.log(np.maximum(known.shares, 1e-9)) / temperature + noise
        return [int(token) for token in known.ids[np.argsort(-scores, kind="stable")]]

    def _rate(self, verdict: Verdict, context: tuple[int, ...], place: int) -> None:
        """Note the rank of a choice among what would have been drafted."""
        found = self._find(context)
        if found is None:
            return
        order, known = found
        whole = [*verdict.context, *verdict.said[:place]]
        ids = self._drawn(Spot(verdict.row, verdict.request, whole), known)
        chosen = verdict.said[place]
        self._ranks.learn(ids.index(chosen) if chosen in ids else None, order)

    def _add(
        self, context: tuple[int, ...], ids: NDArray[np.int32], shares: NDArray[np.float32]
    ) -> None:
        """Average an answer into a context's successors."""
        known = self._table.pop(context, None)
        if known is not None:
            ids, shares = _averaged(known, ids, shares)
        count = 1.0 if known is None else min(known.weight + 1, _RECENT)
        self._table[context] = _Successors(ids, shares, count)
        if len(self._table) > _MOST:
            del self._table[next(iter(self._table))]

    def _load(self) -> None:
        found = kept.load(self.name, self._fingerprint, _none(0))
        if found is None or found["ids"].max(initial=-1) >= self._size:
            return
        for context, ids, shares, count in zip(*found.values(), strict=True):
            real = ids >= 0
            key = tuple(context[context >= 0].tolist())
            self._table[key] = _Successors(ids[real], shares[real], float(count))


def _averaged(
    known: _Successors, ids: NDArray[np.int32], shares: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The average of a table's entry and one answer more, the likeliest first."""
    sums = dict(zip(known.ids.tolist(), (known.shares * known.weight).tolist(), strict=True))
    for token, share in zip(ids.tolist(), shares.tolist(), strict=True):
        sums[token] = sums.get(token, 0.0) + share
    order = sorted(sums, key=lambda token: -sums[token])[:BEST]
    total = known.weight + 1
    shared = np.array([sums[token] / total for token in order], dtype=np.float32)
    return np.array(order, dtype=np.int32), shared


def _none(length: int) -> dict[str, NDArray[np.generic]]:
    """The arrays of a table of so many contexts, nothing in them."""
    return {
        "contexts": np.full((length, _LONGEST), -1, dtype=np.int32),
        "ids": np.full((length, BEST), -1, dtype=np.int32),
        "shares": np.zeros((length, BEST), dtype=np.float32),
        "counts": np.zeros(length, dtype=np.float32),
    }
