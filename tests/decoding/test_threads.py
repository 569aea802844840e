"""Tiny networks compute on one thread, until a larger one is loaded or the user has said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
import torch

from tether.decoding.models.base import Network
from tether.decoding.models.threads import Threads


@dataclass
class Sized:
    """All that is asked of a network."""

    num_parameters: float
    device: torch.device


def sized(num_parameters: float, device: str = "cpu") -> Network:
    return cast("Network", Sized(num_parameters, torch.device(device)))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of threads, six at first, in a list of one."""
    held = [6]
    monkeypatch.setattr(torch, "get_num_threads", lambda: held[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: held.__setitem__(0, number))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return held


def test_tiny_ones_take_one_and_a_large_one_all(now: list[int]) -> None:
    threads = Threads()
    for network, wanted in ((sized(2e6), 1), (sized(2e6), 1), (sized(1e9), 6), (sized(2e6), 6)):
        threads.settle(network)
        assert now == [wanted]


def test_what_the_user_chose_stays(now: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    Threads().settle(sized(2e6))
    assert now == [6]


def test_other_devices_have_threads_of_their_own(now: list[int]) -> None:
    Threads().settle(sized(2e6, "cuda"))
    assert now == [6]
