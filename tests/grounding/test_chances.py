"""Log-probabilities of one row, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tether.grounding.chances import Chances
from tether.grounding.evidence import Moment

LOG_P = np.log(np.array([0.1, 0.2, 0.3, 0.4]))


def moment(output: list[int], allowed: list[bool] | None = None) -> Moment:
    mask = None if allowed is None else np.array(allowed)
    return Moment([9, 9, *output], 2, open=True, log_p=LOG_P, allowed=mask)


def test_chances_are_among_what_may_be_said() -> None:
    chances = Chances(2)
    chances.look([moment([], [True, True, False, False])])
    (first, forced) = chances.told([1, 3], 2)
    assert math.isclose(first.log_p, math.log(2 / 3))
    assert [token for token, _ in first.best] == [1, 0]
    assert (forced.log_p, forced.best) == (0.0, ((3, 0.0),))


def test_what_is_taken_back_is_forgotten() -> None:
    chances = Chances(1)
    chances.look([moment([])])
    chances.look([moment([3])])
    chances.look([moment([])])  # the first token was taken back
    (first,) = chances.told([2], 1)
    assert first.log_p == pytest.approx(math.log(0.3))


def test_thoughts_are_no_part_of_the_answer() -> None:
    chances = Chances(0)
    for output in ([], [0], [0, 1]):
        chances.look([moment(output)])
    (answer,) = chances.told([2], 3)
    assert answer.log_p == pytest.approx(math.log(0.3))
    assert answer.best == ()
