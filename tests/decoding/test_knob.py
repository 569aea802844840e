"""The knob: one coordinate of one layer is set, nothing else, for the rows that ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.knob.steer import Steer, Steering, Turning, turned
from tether.decoding.loop import Loop
from tether.decoding.models import Backend
from tether.decoding.models.base import Model
from tether.decoding.request import Request

BACKENDS: tuple[Backend, Backend] = ("lean", "transformers")
WIDTH = 32


def unit(seed: int = 0) -> torch.Tensor:
    direction = torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(direction, dim=0)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    directory = tmp_path_factory.mktemp("qwen3")
    save_checkpoint(directory, "qwen3", num_hidden_layers=3)
    return {b: models.load(str(directory), dtype="float32", backend=b) for b in BACKENDS}


@pytest.fixture(scope="module", params=BACKENDS)
def model(request: pytest.FixtureRequest, both: dict[str, Model]) -> Model:
    return both[request.param]


def test_worked_numbers() -> None:
    direction, hidden = torch.tensor([0.6, 0.8, 0.0]), torch.tensor([[1.0, 2.0, 3.0]])
    for value, expected in ((-6.0, [-3.92, -4.56, 3.0]), (6.0, [3.28, 5.04, 3.0])):
        found = turned(hidden, torch.tensor([0]), direction, value)
        torch.testing.assert_close(found, torch.tensor([expected]))
        torch.testing.assert_close(found @ direction, torch.tensor([value]))


def test_only_the_coordinate_of_the_named_tokens_changes() -> None:
    hidden = torch.randn(5, WIDTH, dtype=torch.float64)
    direction = unit().double()
    direction /= direction.norm()
    at = torch.tensor([1, 4])
    found = turned(hidden, at, direction, 3.0)
    torch.testing.assert_close(found[at] @ direction, torch.full((2,), 3.0).double())
    others = torch.eye(WIDTH).double() - torch.outer(direction, direction)
    torch.testing.assert_close(found @ others, hidden @ others)
    assert torch.equal(found[[0, 2, 3]], hidden[[0, 2, 3]])


def read(model: Model, rows: list[list[int]], steers: list[Steer | None]) -> torch.Tensor:
    """What the head reads after each row; rows are turned from their third position on."""
    network = model.network
    cache = SlotCache(network.num_layers, len(rows))
    counts = [len(row) for row in rows]
    window = cache.window(0, counts, device=network.device, dtype=network.dtype)
    fed = torch.tensor([row + [0] * (max(counts) - len(row)) for row in rows])
    edit = Steering(steers, [2] * len(rows))
    return network.forward(fed, cache, window, edit=edit)


ROWS = [[5, 6, 7, 8, 9], [21, 22, 23], [31, 32, 33, 34]]


def test_both_backends_turn_alike(both: dict[str, Model]) -> None:
    steers = [Steer(2, unit(), 5.0), None, Steer(1, unit(1), -4.0)]
    lean, library = (read(both[backend], ROWS, steers) for backend in BACKENDS)
    torch.testing.assert_close(lean, library, atol=1e-4, rtol=1e-4)
    plain = read(both["lean"], ROWS, [None] * 3)
    assert torch.equal(lean[1], plain[1])  # the row that asks for nothing, bit for bit
    assert not torch.allclose(lean[[0, 2]], plain[[0, 2]], atol=1e-2)


def test_positions_before_the_first_output_stay(model: Model) -> None:
    steer = Steer(3, unit(), 7.0)
    short = [ROWS[0][:2]]
    assert torch.equal(read(model, short, [steer]), read(model, short, [None]))


def requests(steers: list[Steer | None]) -> list[Request]:
    return [
        Request(str(n), tuple(row), max_tokens=12, sources=() if s is None else (Turning(s),))
        for n, (row, s) in enumerate(zip(ROWS, steers, strict=True))
    ]


def texts(model: Model, asked: list[Request], slots: int) -> dict[str, tuple[int, ...]]:
    return {r.key: r.tokens for r in Loop(model, slots=slots).run(asked)}


def test_a_row_says_the_same_in_any_company(model: Model) -> None:
    asked = requests([Steer(2, unit(), 9.0), None, Steer(1, unit(1), -9.0)])
    together, apart = texts(model, asked, 3), texts(model, asked, 1)
    assert together == apart
    plain = texts(model, requests([None] * 3), 3)
    assert together["1"] == plain["1"]
    assert together["0"] != plain["0"]
    assert together["2"] != plain["2"]


def test_what_was_said_is_read_alike_at_once_and_token_by_token(model: Model) -> None:
    steer = Steer(2, unit(), 9.0)
    network, tokens = model.network, torch.tensor([ROWS[0]])
    states = []
    for cuts in ((3, 5), (3, 4, 5)):
        cache, start = SlotCache(network.num_layers, 1), 0
        for end in cuts:
            window = cache.window(0, [end - start], device=network.device, dtype=network.dtype)
            edit = Steering([steer], [2])
            read_last = network.forward(tokens[:, start:end], cache, window, edit=edit)
            cache.commit(window)
            start = end
        states.append(read_last)
    torch.testing.assert_close(states[0], states[1], atol=1e-5, rtol=1e-5)


def test_gpt2_is_turned_too(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "gpt2")
    model = models.load(str(tmp_path), dtype="float32")
    found, plain = (read(model, ROWS, [s, None, None]) for s in (Steer(1, unit(), 9.0), None))
    assert torch.equal(found[1:], plain[1:])
    assert not torch.allclose(found[0], plain[0], atol=1e-2)
