"""How likely a drafted token is to be accepted: one logistic regression, learned while decoding.

Every verified token is an example, accepted or not. The weights start at what the drafter itself
believes and are shared by all rows of a run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_RATE, _LEAST_RATE = 0.5, 0.02  # steps shrink with the root of the examples, and never vanish
_FURTHEST = 30.0  # of a score: beyond it chances are 0 or 1 to every digit that matters
_SUREST = 6.0  # of the log-odds of a drafter: one that is sure must be able to unlearn it


@dataclass(frozen=True, slots=True)
class Clue:
    """What is known of a drafted token before the model has seen it.

    Attributes:
        drafter: Who proposed it.
        log_q: The drafter's own log-probability of it; 0 where it has none.
        depth: How many drafted tokens stand before it on its path.
        rank: How many candidates of the same place its drafter likes better.
        place: The kind of place the text stands in (in a string, in a quote ...); "" for unknown.
    """

    drafter: str
    log_q: float = 0.0
    depth: int = 0
    rank: int = 0
    place: str = ""


class Chances:
    """P(accepted | clue, all before it accepted), by drafter.

    The score of a token is a bias of its drafter, one of its drafter at this rank and one at this
    place, plus weights times its log-odds under the drafter and the log of its depth. The weight
    of the log-odds stays above 0: what a drafter likes better is never the worse guess.
    """

    def __init__(self) -> None:
        self._weights: dict[tuple[str, object], float] = {}
        self._seen: dict[str, int] = {}

    def __call__(self, clue: Clue) -> float:
        """The chance in (0, 1); before any example of a drafter without log_q it is a half."""
        score = sum(self._weight(key) * value for key, value in _features(clue))
        return 1 / (1 + math.exp(-max(-_FURTHEST, min(_FURTHEST, score))))

    def observe(self, clue: Clue, accepted: bool) -> None:
        """Learn from one verified token: a step down the slope of the log-loss."""
        error = float(accepted) - self(clue)
        count = self._seen[clue.drafter] = self._seen.get(clue.drafter, 0) + 1
        rate = max(_LEAST_RATE, _RATE / math.sqrt(count))
        for key, value in _features(clue):
            weight = self._weight(key) + rate * error * value / max(1.0, value * value)
            self._weights[key] = max(0.0, weight) if key[1] == "odds" else weight

    def seen(self, drafter: str) -> int:
        """Examples of this drafter so far."""
        return self._seen.get(drafter, 0)

    def _weight(self, key: tuple[str, object]) -> float:
        """At first a drafter is believed: log-odds count once, all else nothing."""
        return self._weights.get(key, 1.0 if key[1] == "odds" else 0.0)


def _features(clue: Clue) -> list[tuple[tuple[str, object], float]]:
    """Each weight's name and what it is multiplied by."""
    name = clue.drafter
    features: list[tuple[tuple[str, object], float]] = [
        ((name, "bias"), 1.0),
        ((name, ("rank", min(clue.rank, 7))), 1.0),
        ((name, "depth"), math.log1p(clue.depth)),
    ]
    if clue.place:
        features.append(((name, ("place", clue.place)), 1.0))
    if clue.log_q < 0:
        rest = max(-math.expm1(clue.log_q), 1e-6)
        odds = clue.log_q - math.log(rest)
        features.append(((name, "odds"), max(-_SUREST, min(_SUREST, odds))))
    return features
