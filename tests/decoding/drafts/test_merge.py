"""The tree of many drafts: best first, under a budget, equal paths once."""

from __future__ import annotations

import itertools
import random

import pytest

from tether.decoding.drafts.draft import Draft
from tether.decoding.drafts.merge import Tree, grow, merge


def paths(tree: Tree) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        assert parent < len(found)
        found.append((*(found[parent] if parent >= 0 else ()), token))
    return found


def chain(drafter: str, *steps: tuple[int, float]) -> tuple[str, Draft]:
    tokens, chances = zip(*steps, strict=True)
    return drafter, Draft.chain(tokens, chances)


def random_draft(source: random.Random, drafter: str) -> tuple[str, Draft]:
    size = source.randint(1, 9)
    tokens = [source.randint(0, 3) for _ in range(size)]
    parents = [source.randint(-1, place - 1) for place in range(size)]
    chances = [source.random() for _ in range(size)]
    return drafter, Draft(tuple(tokens), tuple(parents), tuple(chances))


class TestMerge:
    def test_best_first_over_all_drafters(self) -> None:
        """Values: 9 .9, 9-8 .45; 7 .6, 7-6 .54."""
        tree = merge([chain("a", (9, 0.9), (8, 0.5)), chain("b", (7, 0.6), (6, 0.9))], 3)
        assert paths(tree) == [(9,), (7,), (7, 6)]
        assert tree.values == pytest.approx([0.9, 0.6, 0.54])
        assert tree.drafters == ["a", "b", "b"]

    def test_equal_prefixes_are_one(self) -> None:
        tree = merge([chain("a", (1, 0.3), (2, 0.9)), chain("b", (1, 0.8), (3, 0.5))], 9)
        assert paths(tree) == [(1,), (1, 3), (1, 2)]
        assert tree.values == pytest.approx([0.8, 0.4, 0.27])
        assert tree.drafters == ["b", "b", "a"]

    def test_what_is_forced_always_fits_first(self) -> None:
        tree = merge([chain("a", (5, 0.99)), chain("forced", (1, 1.0), (2, 1.0), (3, 1.0))], 3)
        assert paths(tree) == [(1,), (1, 2), (1, 2, 3)]

    def test_least_value_and_no_budget(self) -> None:
        drafts = [chain("a", (1, 0.5), (2, 0.5))]
        assert paths(merge(drafts, 9, least=0.3)) == [(1,)]
        assert merge(drafts, 0).tokens == merge([], 9).tokens == []

    def test_it_is_the_best_tree_there_is(self) -> None:
        """Against every choice of so many paths that has the parents of its members."""
        source = random.Random(3)
        for _ in range(60):
            drafts = [random_draft(source, name) for name in "ab"]
            whole = merge(drafts, 99)
            values = dict(zip(paths(whole), whole.values, strict=True))
            for budget in range(4):
                best = max(
                    (
                        sum(map(values.__getitem__, chosen))
                        for chosen in itertools.combinations(values, min(budget, len(values)))
                        if all(len(p) == 1 or p[:-1] in chosen for p in chosen)
                    ),
                    default=0.0,
                )
                assert sum(merge(drafts, budget).values) == pytest.approx(best)

    def test_values_fall_and_parents_come_first(self) -> None:
        source = random.Random(4)
        for _ in range(50):
            tree = merge([random_draft(source, name) for name in "abc"], 12)
            assert tree.values == sorted(tree.values, reverse=True)
            assert len(set(paths(tree))) == len(tree.tokens)


class TestGrow:
    Q = (0.6, 0.3, 0.1)

    def test_the_heap_of_the_paper(self) -> None:
        """The slots v * q'(y) and v * (1 - q'(y)), as they stand there, give the same tree."""
        slots: list[tuple[float, tuple[int, ...], dict[int, float]]]
        slots = [(1.0, (), dict(enumerate(self.Q)))]
        order: list[tuple[tuple[int, ...], float]] = []
        for _ in range(7):
            slots.sort(key=lambda slot: -slot[0])
            value, path, rest = slots.pop(0)
            total = sum(rest.values())
            token = max(rest, key=lambda y: rest[y])
            share = rest.pop(token) / total
            order.append(((*path, token), value * share))
            slots.append((value * share, (*path, token), dict(enumerate(self.Q))))
            if rest:
                slots.append((value * (1 - share), path, rest))
        tree = grow("q", lambda path: enumerate(self.Q), 60)
        wanted = dict(zip(paths(tree), tree.values, strict=True))
        for path, value in order:
            assert wanted[path] == pytest.approx(value)

    def test_asks_only_where_it_must(self) -> None:
        asked: list[tuple[int, ...]] = []

        def candidates(path: tuple[int, ...]) -> list[tuple[int, float]]:
            asked.append(path)
            return [(1, 0.7), (2, 0.2)]

        tree = grow("q", candidates, 3)
        assert paths(tree) == [(1,), (1, 1), (1, 1, 1)]
        assert asked == [(), (1,), (1, 1), (1, 1, 1)]

    def test_depth_and_least(self) -> None:
        tree = grow("q", lambda path: [(1, 0.9), (2, 0.05)], 9, least=0.04, deepest=2)
        assert paths(tree) == [(1,), (1, 1), (2,), (1, 2), (2, 1)]
