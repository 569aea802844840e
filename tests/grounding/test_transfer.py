"""RAPID without speculation: the card's numbers on the mask, and what equal contexts give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tether.grounding.evidence import Clues, Floats, Moment
from tether.grounding.transfer import Transfer

Z = np.array([2.0, 1.0, 0.0, -1.0])
Q = np.array([0.1, 0.7, 0.15, 0.05])


def look(
    rate: float, short: Sequence[float] | Floats | None, mask: Sequence[int] = (1, 1, 1, 1)
) -> Clues:
    given = None if short is None else np.log(short)
    moment = Moment((5,), 1, True, log_p=Z, allowed=np.array(mask, dtype=bool), short=given)
    (found,) = Transfer(rate).look([moment])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(1.0, [0.4271, 0.4302, 0.106, 0.0366]), (10.0, [0.0001, 0.9919, 0.0067, 0.0013])],
)
def test_worked_numbers(rate: float, expected: list[float]) -> None:
    found = look(rate, Q)
    scores = Z.copy()
    scores[found.ids] += found.values
    powers = np.exp(scores)
    np.testing.assert_allclose(powers / powers.sum(), expected, atol=1e-4)
    assert found.ids.tolist() == [0, 1, 2]  # 0.05 is less than a tenth of the best


def test_probabilities_are_of_the_mask() -> None:
    found = look(1.0, Q, (1, 0, 1, 0))
    p = np.exp(Z[[0, 2]]) / np.exp(Z[[0, 2]]).sum()
    assert found.ids.tolist() == [0, 2]
    np.testing.assert_allclose(found.values, np.array([0.4, 0.6]) - p, atol=1e-12)
    assert found.values.sum() == pytest.approx(0)


def test_equal_contexts_pull_nowhere() -> None:
    moment = Moment((5,), 1, True, log_p=Z, allowed=np.ones(4, dtype=bool))
    assert Transfer(3.0).look([moment]) == [None]
    same = np.exp(Z) / np.exp(Z).sum()
    np.testing.assert_allclose(look(3.0, same.tolist()).values, 0, atol=1e-12)


def test_the_edge_of_the_head_is_doubtful() -> None:
    near = look(1.0, [0.0700001, 0.7, 0.15, 0.0799999])
    assert near.doubt < 1e-5
    assert look(1.0, Q).doubt > 0.1
