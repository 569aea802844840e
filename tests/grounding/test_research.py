"""The loop of goals and reflections, with a stub for the model and one for the index."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tether.grounding.passages import Passage
from tether.grounding.research import Aim, Search, gathered, research


def passage(number: int) -> Passage:
    return Passage(number, f"d{number}", 0, 1, "x")


class Stub:
    """A model that is content with some passages only; notes what it is asked."""

    def __init__(self, good: set[int], aims: Sequence[Aim] = (Aim("goal", "q"),)) -> None:
        self.good = good
        self.aims = list(aims)
        self.rewritten: list[str] = []

    def odds(self, goal: str, passages: Sequence[Passage]) -> float:
        wanted = {int(word) for word in goal.split() if word.isdigit()} or self.good
        return 2.0 if wanted <= {p.id for p in passages} else -2.0

    def rewrite(self, search: Search) -> str:
        self.rewritten.append(search.aim.query)
        return f"{search.aim.query}'"

    def aim(self, question: str, passages: Sequence[Passage]) -> Aim:
        return self.aims.pop(0)


def test_a_failed_first_query_is_rewritten_once() -> None:
    judge = Stub({7})
    found = {"q": [passage(1)], "q'": [passage(7)]}
    searches = research("what?", found.__getitem__, judge, most=4)
    assert judge.rewritten == ["q"]
    assert [(s.aim.query, s.met) for s in searches] == [("q", False), ("q'", True)]
    assert [p.id for p in gathered(searches)] == [7, 1]  # what met the goal comes first


def test_three_rewrites_are_enough() -> None:
    judge, asked = Stub({7}), []

    def find(query: str) -> list[Passage]:
        asked.append(query)
        return [passage(100 + len(asked))]

    searches = research("what?", find, judge, most=100)
    assert asked == ["q", "q'", "q''", "q'''"]
    assert not any(search.met for search in searches)


def test_two_rewrites_that_find_the_same_end_it() -> None:
    judge = Stub({7})
    searches = research("what?", lambda query: [passage(1)], judge, most=100)
    assert [search.aim.query for search in searches] == ["q", "q'", "q''"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_search_and_no_question_too_many(most: int) -> None:
    judge = Stub({7})
    searches = research("what?", lambda query: [passage(len(query))], judge, most)
    assert len(searches) == most
    assert len(judge.rewritten) == most - 1


def test_goals_follow_each_other_until_the_question_is_met() -> None:
    judge = Stub({1, 2}, [Aim("find 1", "first"), Aim("find 2", "second"), Aim("3", "third")])
    found = {"first": [passage(1)], "second": [passage(9)], "second'": [passage(2)]}
    searches = research("what?", found.__getitem__, judge, most=9)
    assert [search.aim.goal for search in searches] == ["find 1", "find 2", "find 2"]
    assert [p.id for p in gathered(searches)] == [1, 2, 9]


def test_the_threshold_decides() -> None:
    searches = research("what?", lambda query: [passage(7)], Stub({7}), most=1, threshold=3.0)
    assert (searches[0].odds, searches[0].met) == (2.0, False)


def test_nothing_found_is_never_enough() -> None:
    judge = Stub(set())
    (search,) = research("what?", lambda query: [], judge, most=1)
    assert (search.odds, search.met) == (float("-inf"), False)
