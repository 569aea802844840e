"""The knob: one coordinate of one layer is set, nothing else, for the rows that ask for it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.builtin.generator.example import Split
from tether.decoding.builtin.generator.qa_task import make_qa
from tether.decoding.builtin.knob_rows import rows
from tether.decoding.cache import SlotCache
from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.knob.batch import Batch, Interchange
from tether.decoding.knob.file import load
from tether.decoding.knob.items import read_items
from tether.decoding.knob.steer import Steer, Steering, Turning, turned
from tether.decoding.knob.train import Schedule, train
from tether.decoding.loop import Loop
from tether.decoding.models import Backend
from tether.decoding.models.base import Model
from tether.decoding.request import Request
from tether.errors import EvidenceError, UsageError

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


@pytest.fixture(scope="module")
def shipped() -> Model:
    return models.load(dtype="float32")


@pytest.fixture(scope="module")
def knob(shipped: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("knob") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(1, 112)))
    facts = train(shipped, read_items(path, shipped), Schedule((3,), 4, 8)).save(path)
    assert facts.accuracy["prior"] >= 0.9
    return path


class TestLearning:
    def test_turning_it_flips_the_answer(self, shipped: Model, knob: Path) -> None:
        rng = random.Random(7)
        items = [make_qa(rng, Split("test", 0.0), "contradict") for _ in range(16)]
        said = {}
        for to in ("context", "prior"):
            turn = parse_all([f"knob:2,file={knob},to={to}"])
            (source,) = bind_all(turn, Given(shipped, ()))
            asked = [
                Request(
                    str(n),
                    tuple(shipped.vocabulary.encode_prompt(item.prompt, begin=False)),
                    max_tokens=40,
                    sources=(source,),
                )
                for n, item in enumerate(items)
            ]
            found = {r.key: r.text for r in Loop(shipped, slots=16).run(asked)}
            said[to] = [found[str(n)] for n in range(len(items))]
        golds = [item.answer.removesuffix("<|end|>") for item in items]
        assert sum(map(str.__eq__, said["context"], golds)) >= 8
        assert sum(a == item.memory for a, item in zip(said["prior"], items, strict=True)) >= 14

    def test_a_knob_of_another_model_is_refused(
        self, both: dict[str, Model], knob: Path, tmp_path: Path
    ) -> None:
        (turn,) = parse_all([f"knob,file={knob}"])
        with pytest.raises(EvidenceError, match="another model") as caught:
            turn.bind(Given(both["lean"], ()))
        assert "train-knob" in caught.value.hint
        broken = tmp_path / "broken"
        for content in (b"", knob.read_bytes()[:40], b"{}" * 40):
            broken.write_bytes(content)
            with pytest.raises(EvidenceError, match="is no knob"):
                load(broken)
        with pytest.raises(EvidenceError, match="is no knob"):
            load(tmp_path / "absent")

    def test_a_number_is_the_coordinate_itself(self, shipped: Model, knob: Path) -> None:
        facts = load(knob).facts
        middle = (facts.context + facts.prior) / 2

        def value(text: str) -> float:
            (turn,) = parse_all([text])
            source = turn.bind(Given(shipped, ()))
            assert isinstance(source, Turning)
            return source.steer.value

        assert value(f"knob,file={knob},to=-2.5") == -2.5
        assert value(f"knob,file={knob},to=prior") == pytest.approx(facts.prior)
        assert value(f"knob:2,file={knob}") == pytest.approx(2 * facts.context - middle)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("{", "row 1 is no JSON"),
            ('{"context": "x"}', "row 1 has no `prompt`"),
            ('{"prompt": "x"}', "row 1 has no answer"),
            ('{"prompt": "x", "context": "a", "intent": "prior"}', "no answer by its own intent"),
            ('{"prompt": "x", "context": "a", "intent": "both"}', "'both' is no intent"),
            ('{"prompt": "x", "context": "a", "evidence": "e"}', "no list of texts"),
            ('{"prompt": "x", "context": "a", "answer": "e"}', "unknown key `answer`"),
        ],
    )
    def test_a_bad_row_is_named(
        self, row: str, message: str, shipped: Model, tmp_path: Path
    ) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text(row + "\n")
        with pytest.raises(EvidenceError, match=message):
            read_items(path, shipped)

    def test_too_few_rows_and_no_such_layer(self, shipped: Model, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"prompt": "x", "context": "a", "prior": "b"}\n')
        items = read_items(path, shipped)
        with pytest.raises(EvidenceError, match="too few to learn from"):
            train(shipped, items, Schedule((1,)))
        with pytest.raises(UsageError, match="no layer 7"):
            train(shipped, items, Schedule((7,)))


def test_both_backends_give_the_same_gradient(both: dict[str, Model]) -> None:
    gradients: list[torch.Tensor] = []
    for backend in BACKENDS:
        network = both[backend].network
        batch = Batch.of(network, [(5, 6, 7), (8, 9)], [(10, 11), ()])
        direction = unit().requires_grad_()
        loss = batch.loss(network, Interchange(2, direction, batch.lasts))
        gradients += torch.autograd.grad(loss, direction)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-3)
    assert gradients[0].abs().max() > 1e-4
