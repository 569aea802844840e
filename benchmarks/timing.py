"""Fair timing: contenders take turns, A B A B, so that a slow minute hits all of them.

A run returns its own figures; only figures of one round are divided by each other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

Figures = Mapping[str, float]
Run = Callable[[], Figures]
Rounds = dict[str, list[Figures]]


def alternate(
    runs: Mapping[str, Run],
    *,
    repeats: int,
    budget_s: float = 60.0,
    warm: Mapping[str, Callable[[], object]] | None = None,
) -> Rounds:
    """Figures of each contender, one entry a round.

    Args:
        runs: The contenders, in their order within a round.
        repeats: Rounds; one round that is not counted comes first.
        budget_s: After the second round, no further one starts past this many seconds.
        warm: Shorter stand-ins for the round that is not counted.
    """
    for first in (warm or runs).values():
        first()
    rounds: Rounds = {name: [] for name in runs}
    began = time.perf_counter()
    for done in range(repeats):
        if done >= 2 and time.perf_counter() - began > budget_s:
            break
        for name, run in runs.items():
            rounds[name].append(run())
    return rounds


def seconds_each(call: Callable[[], object], least_s: float = 0.2) -> float:
    """Seconds of one call, over as many calls as fill `least_s`."""
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < least_s:
        call()
        count += 1
    return spent / count


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, smallest and largest of some figures, and how many there were."""
    held = sorted(values)
    return {
        "median": _short(statistics.median(held)),
        "min": _short(held[0]),
        "max": _short(held[-1]),
        "n": len(held),
    }


def spreads(measured: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """The spread of every figure over the rounds."""
    return {name: spread(figures[name] for figures in measured) for name in measured[0]}


def ratio(ours: Sequence[Figures], theirs: Sequence[Figures], name: str) -> dict[str, float]:
    """The spread of ours / theirs, divided round by round."""
    return spread(a[name] / b[name] for a, b in zip(ours, theirs, strict=True) if b[name])


def _short(value: float) -> float:
    """Five significant digits: more would be noise in the file."""
    return float(f"{value:.5g}")
