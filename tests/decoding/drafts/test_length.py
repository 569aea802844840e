"""How long a draft should be: the card's numbers, and what is learned while decoding."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tether.decoding.drafts.chances import Chances, Clue
from tether.decoding.drafts.length import CostCurve, most_worth


def curve(**costs: float) -> CostCurve:
    cost = CostCurve()
    for size, seconds in costs.items():
        cost.observe(int(size[1:]), seconds)
    return cost


# One core, 154M parameters, milliseconds (the card): from one token to two it doubles, once.
FLOAT32 = curve(t1=94, t2=176, t4=172, t8=190, t16=250, t32=380)
BFLOAT16 = curve(t1=92, t2=87, t4=93, t8=110, t16=144, t32=189)


def drafted(cost: CostCurve, tokens: int = 1) -> Callable[[int], float]:
    """What a turn over so many certain tokens costs with drafted ones."""
    return lambda count: cost(tokens + count)


def powers(chance: float, count: int = 24) -> list[float]:
    return [chance**depth for depth in range(1, count + 1)]


class TestCostCurve:
    def test_straight_between_what_was_timed(self) -> None:
        cost = curve(t1=1.0, t4=2.0, t8=6.0)
        assert [cost(n) for n in (1, 4, 6, 8)] == [1.0, 2.0, 4.0, 6.0]
        assert cost(2) == pytest.approx(4 / 3)

    def test_unknown_sizes_are_tried(self) -> None:
        cost = curve(t2=1.0)
        assert cost(1) == cost(500) == 1.0
        cost.observe(500, 9.0)
        assert cost(500) == 9.0

    def test_more_tokens_never_cost_less(self) -> None:
        assert FLOAT32(4) == FLOAT32(2) == (176 + 172) / 2

    def test_one_bad_timing_of_a_size_does_not_make_all_larger_ones_dear(self) -> None:
        cost = curve(t1=1.0, t2=50.0)
        for _ in range(7):
            cost.observe(4, 1.2)
        assert cost(2) == cost(4) == pytest.approx((50 + 7 * 1.2) / 8)
        for _ in range(3):
            cost.observe(2, 1.1)
        assert cost(2) == 1.1
        assert cost(4) == 1.2

    def test_one_hiccup_says_nothing(self) -> None:
        cost = curve(t1=1.0)
        for seconds in (1.0, 1.1, 60.0, 0.9):
            cost.observe(1, seconds)
        assert cost(1) == 1.0

    def test_what_was_dear_once_may_become_cheap(self) -> None:
        cost = curve(t1=5.0)
        for _ in range(7):
            cost.observe(1, 1.0)
        assert cost(1) == 1.0

    def test_nothing_known(self) -> None:
        assert CostCurve()(3) == 0.0


class TestMostWorth:
    @pytest.mark.parametrize(
        ("chance", "each", "best", "speed"),
        [(0.4, 0.05, 2, 1.42), (0.6, 0.05, 4, 1.92), (0.8, 0.05, 8, 3.09), (0.6, 0.2, 2, 1.40)],
    )
    def test_numbers_of_the_card(self, chance: float, each: float, best: int, speed: float) -> None:
        count = most_worth(powers(chance), lambda drafted: 1 + each * drafted)
        assert count == best
        assert (1 + sum(powers(chance)[:count])) / (1 + count * each) == pytest.approx(
            speed, abs=0.006
        )

    def test_last_number_of_the_card(self) -> None:
        assert most_worth(powers(0.8), lambda drafted: 1 + 0.2 * drafted) == 4  # 1.87
        assert (1 + sum(powers(0.8)[:4])) / 1.8 == pytest.approx(1.87, abs=0.005)

    def test_on_this_cpu_in_float32_nothing_or_at_least_four(self) -> None:
        cost = drafted(FLOAT32)
        counts = {most_worth(powers(chance / 100), cost) for chance in range(100)}
        assert 0 in counts
        assert not counts & {1, 2}
        assert most_worth(powers(0.4), cost) == 0
        assert most_worth(powers(0.7), cost) >= 4

    def test_in_bfloat16_it_is_nearly_free(self) -> None:
        assert most_worth(powers(0.3), drafted(BFLOAT16)) >= 1
        assert (
            most_worth(powers(0.7), drafted(BFLOAT16))
            > most_worth(powers(0.7), drafted(FLOAT32)) - 3
        )

    def test_rows_share_a_forward(self) -> None:
        """Two rows already pay for the step to matrix-matrix, so drafts are worth it sooner."""
        likely = powers(0.45, 4)
        assert most_worth(likely, drafted(FLOAT32)) == 0
        both = sorted(likely * 2, reverse=True)
        assert most_worth(both, drafted(FLOAT32, 2), rows=2) > 0

    def test_what_is_certain_is_always_taken(self) -> None:
        assert most_worth([1.0] * 12, drafted(curve(t1=1.0, t32=2.0))) == 12

    def test_nothing_to_draft_or_nothing_known(self) -> None:
        assert most_worth([], drafted(curve(t1=1.0))) == 0
        assert most_worth([0.5, 0.0], drafted(CostCurve())) == 1


class TestChances:
    def test_believes_a_drafter_at_first(self) -> None:
        chances = Chances()
        assert chances(Clue("lookup")) == 0.5
        assert chances(Clue("model", log_q=-0.105361)) == pytest.approx(0.9, abs=1e-4)

    def test_learns_the_rate_of_a_drafter(self) -> None:
        chances, source = Chances(), random.Random(1)
        for _ in range(3000):
            chances.observe(Clue("good"), source.random() < 0.92)
            chances.observe(Clue("bad"), source.random() < 0.07)
        assert chances(Clue("good")) == pytest.approx(0.92, abs=0.05)
        assert chances(Clue("bad")) == pytest.approx(0.07, abs=0.05)
        assert chances.seen("good") == 3000

    def test_learns_depth_rank_and_place(self) -> None:
        chances, source = Chances(), random.Random(2)

        def truth(depth: int, rank: int, place: str) -> float:
            return 0.9 * 0.9**depth * (0.2 if rank else 1.0) * (0.3 if place == "string" else 1.0)

        for _ in range(20_000):
            kind = source.randint(0, 5), source.randint(0, 1), source.choice(("string", "key"))
            chances.observe(Clue("d", 0.0, *kind), source.random() < truth(*kind))
        for kind in ((0, 0, "key"), (5, 0, "key"), (0, 1, "key"), (0, 0, "string")):
            assert chances(Clue("d", 0.0, *kind)) == pytest.approx(truth(*kind), abs=0.12)

    def test_corrects_a_drafter_that_is_too_sure(self) -> None:
        chances, source = Chances(), random.Random(3)
        for _ in range(4000):
            log_q = source.choice((-0.01, -2.0))
            chances.observe(Clue("sure", log_q), source.random() < (0.6 if log_q > -1 else 0.1))
        assert chances(Clue("sure", -0.01)) == pytest.approx(0.6, abs=0.1)
        assert chances(Clue("sure", -2.0)) == pytest.approx(0.1, abs=0.06)

    def test_follows_a_change(self) -> None:
        chances = Chances()
        for accepted in [True] * 500 + [False] * 300:
            chances.observe(Clue("d"), accepted)
        assert chances(Clue("d")) < 0.2

    def test_never_overflows(self) -> None:
        chances = Chances()
        for _ in range(20_000):
            chances.observe(Clue("d", -1e-9), True)
            chances.observe(Clue("e", -700.0), False)
        assert 0.99 < chances(Clue("d", -1e-9)) <= 1
        assert 0 <= chances(Clue("e", -700.0)) < 0.01
