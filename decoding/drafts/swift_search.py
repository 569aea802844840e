"""Which sub-layers a model can do without: tried out on what it says, while it says it.

Source: SWIFT, Xia et al. 2024 (arXiv 2410.06916). Where the paper proposes every 25th set by
Bayesian optimisation, every second one here is a neighbour of the best; and both sets of a
comparison are measured on the same text, since texts differ more than sets do.
"""

from __future__ import annotations

import random

from tether.decoding.models.lean import Skip

_SHARE = 0.45  # of the sub-layers between the first and the last layer that are left out
_ENOUGH = 0.95  # share of tokens foretold at which the search is over
_TRIALS, _PATIENCE = 1000, 300  # of the search, and of them without a gain


class SkipSearch:
    """A search over sets of sub-layers; the first and the last layer stay whole.

    Attributes:
        best: The set to draft with: at first both sub-layers of every second layer.
        is_over: Whether it goes on.

    Args:
        num_layers: Of the network.
    """

    def __init__(self, num_layers: int) -> None:
        self._inner = [(kind, n) for kind in range(2) for n in range(1, num_layers - 1)]
        self._size = int(len(self._inner) * _SHARE)
        self._random = random.Random(num_layers)
        self._trials = self._idle = 0
        self._best = {part for part in self._inner if part[1] % 2}
        self._trial: set[tuple[int, int]] = set()
        self.is_over = not self._size

    @property
    def best(self) -> Skip:
        """See the class."""
        return _skip(self._best)

    def trial(self) -> Skip:
        """Another set, to be compared with the best."""
        self._trials += 1
        if self._trials % 2:
            self._trial = set(self._random.sample(self._inner, self._size))
            return _skip(self._trial)
        out = self._random.choice(sorted(self._best))
        rest = sorted(set(self._inner) - self._best) or [out]
        self._trial = self._best - {out} | {self._random.choice(rest)}
        return _skip(self._trial)

    def compare(self, best: float, trial: float) -> bool:
        """Take the trial in place of the best, if it foretold a larger share of the same tokens.

        Returns:
            Whether it was taken.
        """
        is_better = trial > best
        self._idle = 0 if is_better else self._idle + 1
        if is_better:
            self._best = self._trial
        over = max(best, trial) >= _ENOUGH or self._trials >= _TRIALS or self._idle >= _PATIENCE
        self.is_over = over
        return is_better


def _skip(parts: set[tuple[int, int]]) -> Skip:
    return Skip(
        attention=frozenset(n for kind, n in parts if kind == 0),
        mlp=frozenset(n for kind, n in parts if kind == 1),
    )
