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


def timed(network: Network, **seconds: float) -> Pace:
    pace = Pace(network)
    for tokens, cost in seconds.items():
        pace.timed(int(tokens.removeprefix("n")), cost)
    return pace


def test_as_many_as_pay(network: Network) -> None:
    """One row, whose next tokens are likely, less likely, hardly likely."""
    gains = [0.9, 0.5, 0.1]
    assert timed(network, n1=1.0, n4=1.01).count(gains, 1, 1) == 3
    assert timed(network, n1=1.0, n4=2.5).count(gains, 1, 1) == 1
    assert timed(network, n1=1.0, n2=1.9, n4=3.9).count(gains, 1, 1) == 0, "not clearly cheaper"


def test_drafting_costs_too(network: Network) -> None:
    pace = timed(network, n1=1.0, n4=1.01)
    pace.grown(3.0, 2)
    assert pace.count([0.9, 0.9], 1, 1) == 0
    assert pace.least(3, 1, 1) == 0.5, "likely ones are looked at all the same"


def test_drafts_that_do_not_come_true_are_trusted_less(network: Network) -> None:
    pace = timed(network, n1=1.0, n2=1.4)
    assert pace.count([0.8], 1, 1) == 1
    for _ in range(60):
        pace.verified(0.8, 0)
    assert pace.count([0.8], 1, 1) == 0


def test_a_prompt_tells_the_slope_before_any_draft_was_read(network: Network) -> None:
    """16 rows beside one another: a token for each costs a sixteenth of what it promises."""
    pace = timed(network, n16=16.0, n128=128.0)
    assert pace.count([0.9] * 16, 16, 16) == 0
    assert pace.least(16, 16, 16) == 0.5


def test_rests_grow_and_end(network: Network) -> None:
    pace, turns = Pace(network), []
    for _ in range(7):
        pace.looked(is_worth=False)
        turns.append(0)
        while pace.is_resting:
            pace.turn()
            turns[-1] += 1
    assert turns == [1, 2, 4, 8, 16, 32, 32]
    pace.looked(is_worth=True)
    assert not pace.is_resting


def test_kept_as_long_as_its_network() -> None:
    network = cast("Network", Timed())
    pace = Pace.of(network)
    assert Pace.of(network) is pace
    assert Pace.of(cast("Network", Timed())) is not pace
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
