"""Every outcome of a program that draws, with its chance: draws are scripted, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

Result = TypeVar("Result")


class Script:
    """Answers draws as scripted, then with the first outcome that can be; notes what else could."""

    def __init__(self, given: list[int]) -> None:
        self._given = given
        self.taken: list[int] = []
        self.others: list[list[int]] = []
        self.chance = 1.0

    def choose(self, chances: Tensor, purpose: str = "") -> int:
        """The next outcome."""
        values = chances.double().tolist()
        possible = [place for place, value in enumerate(values) if value > 0]
        step = len(self.taken)
        taken = self._given[step] if step < len(self._given) else possible[0]
        self.others.append([place for place in possible if place > taken])
        self.taken.append(taken)
        self.chance *= values[taken] / sum(values)
        return taken


def outcomes(program: Callable[[Script], Result]) -> Iterator[tuple[Result, float]]:
    """What a program may give, each branch with its chance."""
    pending: list[list[int]] = [[]]
    while pending:
        given = pending.pop()
        script = Script(given)
        yield program(script), script.chance
        for step in range(len(given), len(script.taken)):
            pending += [[*script.taken[:step], other] for other in script.others[step]]
