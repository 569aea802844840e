"""What turns cost, by timings that are noisy, few, and change."""

from __future__ import annotations

import random

import pytest

from tether.decoding.drafts.costs import Costs
from tether.decoding.drafts.line import Line


def test_a_line_is_found_through_noise() -> None:
    line, source = Line(), random.Random(1)
    for _ in range(200):
        count = source.randint(1, 60)
        line.observe(count, 3.0 + 0.2 * count + source.gauss(0, 0.2), ())
    start, each = line(())
    assert start == pytest.approx(3.0, abs=0.4)
    assert each == pytest.approx(0.2, abs=0.02)


def test_a_line_never_falls_and_one_hiccup_says_little() -> None:
    line = Line()
    assert line(()) == (0.0, 0.0)
    for count, seconds in ((1, 2.0), (9, 1.0)):
        line.observe(count, seconds, ())
    assert line(())[1] == 0.0
    line = Line()
    for count in (1, 2, 3, 4) * 5:
        line.observe(count, 1.0 * count, ())
    line.observe(2, 900.0, ())
    start, each = line(())
    assert start + 2 * each < 3.0


def test_what_is_supposed_holds_until_it_is_timed() -> None:
    line, supposed = Line(), [(4, 4.0), (16, 16.0)]
    assert line(supposed) == pytest.approx((0.0, 1.0))
    for count in (2, 8, 16) * 20:
        line.observe(count, 5.0, supposed)
    start, each = line(supposed)
    assert start + 8 * each == pytest.approx(5.0, abs=1.0)
    assert each < 0.3


def test_prompts_say_what_drafts_cost_at_first() -> None:
    costs = Costs()
    assert costs.alone(1) == 0.0
    costs.observe(16, 0, 16.0)
    assert costs.added(16) == (0.0, 0.0), "never timed: to be tried"
    costs.observe(128, 0, 128.0)
    assert costs.added(16) == pytest.approx((0.0, 1.0))


def test_drafts_are_a_line_above_the_turn_alone() -> None:
    costs = Costs()
    for tokens in (1, 2, 4):
        costs.observe(tokens, 0, 10.0 + tokens)
    for drafted in (2, 6, 12) * 20:
        costs.observe(2, drafted, 12.0 + 3.0 + 0.5 * drafted)
    start, each = costs.added(2)
    assert start == pytest.approx(3.0, abs=0.5)
    assert each == pytest.approx(0.5, abs=0.1)
    assert costs.alone(2) == 12.0, "drafts are no part of it"


def test_drafts_that_were_too_dear_are_tried_again() -> None:
    costs = Costs()
    costs.observe(1, 0, 1.0)
    for _ in range(20):
        costs.observe(1, 4, 9.0)
    assert sum(costs.added(1)) > 4
    for _ in range(20):
        costs.refused()
    assert sum(costs.added(1)) < 0.3
