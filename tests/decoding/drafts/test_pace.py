"""What pays: costs as timed, drafts that come true or do not, rests in between."""

from __future__ import annotations

import gc
import weakref
from typing import cast

import pytest
import torch

from tether.decoding.drafts.pace import Pace
from tether.decoding.models.base import Network


class Timed:
    """All that a pace asks of a network."""

    device = torch.device("cpu")


@pytest.fixture
def network() -> Network:
    return cast("Network", Timed())


def timed(network: Network, rows: int = 1, **seconds: float) -> Pace:
    pace = Pace(network)
    for tokens, cost in seconds.items():
        pace.timed(rows, int(tokens.removeprefix("n")), 0, cost)
    return pace


def count(pace: Pace, gains: list[float], rows: int = 1, tokens: int = 1, look: float = 0) -> int:
    return pace.count(gains, rows, tokens, (len(gains), look))


def test_as_many_as_pay(network: Network) -> None:
    """One row, whose next tokens are likely, less likely, hardly likely."""
    gains = [0.9, 0.5, 0.1]
    assert count(timed(network, n1=1.0, n32=1.01), gains) == 3
    assert count(timed(network, n1=1.0, n32=14.0), gains) == 1
    assert count(timed(network, n1=1.0, n32=29.0), gains) == 0, "not clearly cheaper"


def test_drafts_are_timed_with_the_rows_that_ran(network: Network) -> None:
    pace = timed(network, n1=1.0)
    for drafted in (1, 4, 12) * 6:
        pace.timed(1, 1, drafted, 1.1)
        pace.timed(16, 16, drafted, 40.0)
    pace.timed(16, 16, 0, 16.0)
    assert count(pace, [0.9, 0.5, 0.1]) == 3
    assert count(pace, [0.9, 0.5, 0.1], 16, 16) == 0


def test_likely_tokens_are_looked_at_whatever_it_costs(network: Network) -> None:
    pace = timed(network, n1=1.0, n32=90.0)
    assert pace.trusted(pace.least(1, 1)) == pytest.approx(0.5)
    assert timed(network, n1=1.0, n32=1.0).least(1, 1) < 0.05
    assert 0.1 < timed(network, 16, n16=16.0, n64=32.0).least(16, 16) < 0.5


def test_chances_are_taken_for_what_came_of_them(network: Network) -> None:
    pace = timed(network, n1=1.0, n32=2.0)
    assert pace.least(1, 1) < 0.1
    assert pace.trusted(0.05) == pytest.approx(0.05)
    for number in range(400):
        pace.verified(0.05, came=number % 5 == 0)
        pace.verified(0.93, came=number % 2 == 0)
    assert pace.trusted(0.05) == pytest.approx(0.2, abs=0.03)
    assert pace.trusted(0.95) == pytest.approx(0.5, abs=0.05)
    assert pace.trusted(0.45) == pytest.approx(0.45)
    for _ in range(2000):
        pace.verified(0.05, came=False)
        pace.verified(0.93, came=True)
    assert pace.trusted(0.05) < 0.01
    assert pace.trusted(0.99) == pytest.approx(1.0, abs=0.01)
    assert pace.least(1, 1) >= 0.1, "where nothing came true, nothing is looked at"


def test_rests_grow_with_what_a_look_costs(network: Network) -> None:
    def rests(look: float) -> list[int]:
        pace, turns = timed(network, n1=1.0), list[int]()
        for _ in range(7):
            count(pace, [], look=look)
            turns.append(0)
            while pace.is_resting:
                pace.turn()
                turns[-1] += 1
        return turns

    assert rests(1.0) == [1, 2, 4, 8, 16, 32, 32]
    assert rests(0.105) == [1, 2, 4, 8, 10, 10, 10], "a hundredth of the time"
    assert rests(0.005) == [0] * 7


def test_a_draft_that_is_worth_it_ends_all_rest(network: Network) -> None:
    pace = timed(network, n1=1.0, n32=1.01)
    assert count(pace, [], look=1.0) == 0
    assert pace.is_resting
    assert count(pace, [0.9, 0.9], look=0.1) == 2
    assert not pace.is_resting
    assert count(pace, [0.9, 0.9], look=9.0) == 2, "it is there now"
    assert pace.is_resting, "but not again at once"


def test_kept_as_long_as_its_network() -> None:
    network = cast("Network", Timed())
    pace = Pace.of(network)
    assert Pace.of(network) is pace
    assert Pace.of(cast("Network", Timed())) is not pace
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
