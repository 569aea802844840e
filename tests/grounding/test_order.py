"""Orders of passages: a chain puts the first hop before the second."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from tether.errors import UsageError
from tether.grounding.index.order import ORDERS, arrange, chain, peak

_SYLLABLES = ("ba", "den", "ko", "lir", "mas", "no", "pel", "ru", "sti", "ve")
_NAMES = ["".join(three).capitalize() for three in itertools.product(_SYLLABLES, repeat=3)]


def two_hop(draw: random.Random) -> tuple[str, list[str], int, int]:
    """A question, shuffled passages, and the places of the first and the second hop."""
    person, mentor, town, *rest = draw.sample(_NAMES, 8)
    first = f"The mentor of {person} is {mentor}."
    second = f"For many years {mentor} has been living in {town}."
    others = [
        f"The mentor of {rest[0]} is {rest[1]}.",
        f"The town of {rest[2]} lies in the hills.",
        f"{rest[3]} has been living in {rest[4]} for years.",
    ]
    passages = draw.sample([first, second, *others], 5)
    question = f"In which town does the mentor of {person} live?"
    return question, passages, passages.index(first), passages.index(second)


def test_chain_puts_hop_one_before_hop_two() -> None:
    draw = random.Random(3)
    for _ in range(300):
        question, passages, first, second = two_hop(draw)
        order = chain(question, passages)
        assert sorted(order) == list(range(5))
        assert order.index(first) < order.index(second)
        assert order[:2] == [first, second]  # the others stand behind both


def test_reverse_alone_would_not_do() -> None:
    draw = random.Random(3)
    cases = [two_hop(draw) for _ in range(300)]
    right = [arrange(q, p, "reverse") for q, p, _, _ in cases]
    before = [o.index(a) < o.index(b) for o, (_, _, a, b) in zip(right, cases, strict=True)]
    assert 100 < sum(before) < 200


def test_without_a_chain_the_best_comes_last() -> None:
    texts = ["Rain fell in Oslo.", "Bread is cheap in Rome.", "Cats sleep a lot."]
    assert chain("Where did rain fall?", texts) == [2, 1, 0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("texts", [[], ["one"], ["one", "two"], ["same", "same", ""]])
def test_every_order_is_a_permutation(order: str, texts: list[str]) -> None:
    arranged = arrange("one?", texts, order, lambda places: [1.0] * len(places))  # type: ignore[arg-type]
    assert sorted(arranged) == list(range(len(texts)))


def test_rank_and_reverse() -> None:
    assert arrange("?", ["a", "b", "c"], "rank") == [0, 1, 2]
    assert arrange("?", ["a", "b", "c"], "reverse") == [2, 1, 0]


def test_peak_keeps_the_order_with_the_highest_peak() -> None:
    asked: list[tuple[int, ...]] = []

    def attention(order: Sequence[int]) -> list[float]:
        asked.append(tuple(order))
        return [0.9 if place == order[-1] == 2 else 0.3 for place in order]

    found = peak(4, attention)
    assert asked[0] == (0, 1, 2, 3)
    assert len(set(asked)) == len(asked) == 20
    assert found[-1] == 2
    assert peak(4, lambda order: [0.5] * 4) == [0, 1, 2, 3]  # the first of equals


def test_peak_tries_no_more_orders_than_there_are() -> None:
    asked: list[Sequence[int]] = []
    peak(3, lambda order: asked.append(order) or [1.0])  # type: ignore[func-returns-value]
    assert len(asked) == 6


def test_peak_without_attention_is_refused() -> None:
    with pytest.raises(UsageError, match="attention") as caught:
        arrange("?", ["a"], "peak")
    assert caught.value.hint
