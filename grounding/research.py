"""Search, judge, search again: a loop of goals and reflections over an index. Knows no model.

After "RE-Searcher: Robust Agentic Search with Goal-oriented Planning and Self-reflection" (2025),
which trains a model to write a goal and a query, and to reflect on whether what was found meets
the goal. Here nothing is trained: each step is a constrained answer, and the reflection is a yes or
no decided by its log-odds. Ours: a goal that is met is followed by a look at the question itself,
which ends the loop where it is met too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tether.grounding.passages import Passage

REWRITES = 3
"""The most rewritten queries for one goal."""


class Aim(NamedTuple):
    """What to find out, and what to search for."""

    goal: str
    query: str


@dataclass(frozen=True, slots=True)
class Search:
    """One step of the loop.

    Attributes:
        aim: What was searched for, and why.
        found: Passages, best first.
        odds: Log-odds that they meet the goal.
        met: Whether that was enough.
    """

    aim: Aim
    found: tuple[Passage, ...]
    odds: float
    met: bool


class Judge(Protocol):
    """Says what the model would."""

    def odds(self, goal: str, passages: Sequence[Passage]) -> float:
        """Log-odds that the passages meet the goal."""

    def rewrite(self, search: Search) -> str:
        """Another query for the goal of a search that did not meet it."""

    def aim(self, question: str, passages: Sequence[Passage]) -> Aim:
        """What is still to be found out."""


def research(
    question: str,
    find: Callable[[str], Sequence[Passage]],
    judge: Judge,
    most: int,
    threshold: float = 0.0,
) -> list[Search]:
    """The searches, in order.

    It ends when the question is met, when `most` searches were made, when a goal was given up
    after `REWRITES` rewritten queries, or when two rewritten queries in a row found the same.

    Args:
        question: What is to be answered in the end.
        find: The best passages for a query.
        judge: Decides and writes.
        most: Searches, 1 or more.
        threshold: Log-odds from which on a goal is met.
    """
    searches: list[Search] = []
    aim, rewrites = judge.aim(question, ()), 0
    for left in reversed(range(most)):
        found = tuple(find(aim.query))
        odds = judge.odds(aim.goal, found) if found else float("-inf")
        search = Search(aim, found, odds, odds >= threshold)
        again = rewrites > 1 and _ids(found) == _ids(searches[-1].found)
        searches.append(search)
        known = gathered(searches)
        if not left or (search.met and judge.odds(question, known) >= threshold):
            break
        if search.met:
            aim, rewrites = judge.aim(question, known), 0
        elif again or rewrites == REWRITES:
            break
        else:
            aim, rewrites = Aim(aim.goal, judge.rewrite(search)), rewrites + 1
    return searches


def gathered(searches: Sequence[Search]) -> list[Passage]:
    """What the searches found, each passage once; those that met their goal first."""
    ordered = sorted(searches, key=lambda search: not search.met)
    return list({p.id: p for search in ordered for p in search.found}.values())


def _ids(passages: Sequence[Passage]) -> list[int]:
    return [passage.id for passage in passages]
