"""A trained head as drafter: its file, its states, its training, and texts that stay the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tether.decoding import models
from tether.decoding.drafts import registry
from tether.decoding.drafts.beside import Facts
from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.head import Head
from tether.decoding.drafts.head_net import BESIDE, HeadNet, load
from tether.decoding.drafts.head_train import Text, foretold, train
from tether.decoding.drafts.model_reader import Asked
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Sampling
from tether.errors import ModelError
from tether.grammars import regex


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The shipped model with a head of random weights."""
    directory = tmp_path_factory.mktemp("model") / "copy"
    built_in = models.load().directory
    shutil.copytree(built_in, directory, ignore=shutil.ignore_patterns("drafter"))
    found = models.load(str(directory))
    net = HeadNet.fresh(found.network.head_size, found.network.head_width, seed=1)
    net.down.normal_(generator=torch.Generator().manual_seed(2)).mul_(0.02)
    net.save(directory / BESIDE.place, Facts(found.fingerprint, 0, 1))
    return found


def verdict(asked: Request, said: list[int], accepted: list[int], hidden: torch.Tensor) -> Verdict:
    draft = Draft.chain(range(len(hidden) - 1), [0.5] * (len(hidden) - 1))
    return Verdict("row", asked, asked.prompt, draft, said, [0], accepted, hidden=hidden)


class TestStates:
    def test_it_goes_on_from_the_models_last_state(self, model: Model) -> None:
        """Two of three nodes accepted: the state after the second, then what was chosen there."""
        head, net = Head(model, floor=0.0), load(model).to(torch.zeros(1))
        asked = Request("row", (5, 6))
        hidden = torch.randn(4, model.network.head_width)
        head.observe(verdict(asked, [7, 8, 9], [0, 1], hidden))
        context = [5, 6, 7, 8, 9]
        wanted = net.step(net.step(hidden[2:3], torch.tensor([9])), torch.tensor([4]))
        logits = torch.log_softmax(model.network.head(wanted)[0], 0)
        for tokens in ([*context, 4], [*context, 3, 2], [*context, 4]):
            [found] = head.scores([Asked("row", tokens)])
        torch.testing.assert_close(found, logits)
        spot = Spot("row", asked, context)
        assert len(head.propose(spot, 4)) > 0
        assert head.propose(Spot("row", asked, [*context, *range(20)]), 4) is NOTHING, "too far"
        head.forget("row")
        assert head.propose(spot, 4) is NOTHING

    def test_a_head_without_weight_says_the_same_again(self, model: Model) -> None:
        net = HeadNet.fresh(model.network.head_size, model.network.head_width, seed=0)
        states = torch.randn(3, model.network.head_width)
        assert torch.equal(net.step(states, torch.tensor([1, 2, 3])), states)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("slots", [1, 3])
def test_the_text_is_the_same(model: Model, slots: int) -> None:
    prompt = encode(model, Prompt("Ann Lee, born 1990, is in Oslo.", fields="name, born int"))
    asked = [
        Request(f"{number} {heat}", prompt, constraint, Sampling(temperature=heat, seed=3), 24)
        for number, constraint in enumerate((None, regex("[a-f]{3,9}-[0-9]+", model.vocabulary)))
        for heat in (0.0, 0.8)
    ]
    plain = {each.key: each for each in Loop(model, slots=slots).run(asked)}
    drafting = [replace(each, drafters=("head",), draft_tokens=5) for each in asked]
    drafted = {each.key: each for each in Loop(model, slots=slots).run(drafting)}
    assert {key: each.tokens for key, each in drafted.items()} == {
        key: each.tokens for key, each in plain.items()
    }
    assert sum(each.stats.drafted_tokens for each in drafted.values()) > 20


class TestFile:
    def test_what_is_written_is_read(self, model: Model) -> None:
        again = load(model)
        assert (model.directory / BESIDE.place).stat().st_size < 1_000_000
        assert {name: weight.dtype for name, weight in again.weights().items()} == dict.fromkeys(
            ("embedding", "up", "down"), torch.float16
        )

    def test_what_cannot_be_used(self, model: Model, tmp_path: Path) -> None:
        bare = replace(model, directory=tmp_path)
        with pytest.raises(ModelError, match="no draft head"):
            Head(bare)
        with pytest.raises(ModelError, match="other weights"):
            Head(replace(model, fingerprint="another"))
        (tmp_path / BESIDE.place).parent.mkdir()
        (tmp_path / BESIDE.place).write_bytes(b"nonsense")
        with pytest.raises(ModelError, match="is no draft head"):
            Head(bare)

    def test_a_row_is_told(self, model: Model, tmp_path: Path) -> None:
        bare = replace(model, directory=tmp_path)
        [found] = Loop(bare).run([Request("a", (5, 6), drafters=("head",))])
        assert "has no draft head" in found.message


def test_training_learns(model: Model) -> None:
    """A few steps on one text name more of the model's own tokens than none."""
    ids = encode(model, Prompt("Ann Lee, born 1990, is in Oslo.", fields="name, born int"))
    [said] = Loop(model).run([Request("a", ids, max_tokens=40)])
    texts: Sequence[Text] = [([*ids, *said.tokens], len(ids))] * 4

    def batches() -> Iterator[Sequence[Text]]:
        while True:
            yield texts

    net = train(model, batches(), steps=30, seed=0)
    before = HeadNet.fresh(model.network.head_size, model.network.head_width, seed=0)
    worse, better = (foretold(model.network, each, texts) for each in (before, net))
    assert len(better) == 5
    assert sum(better) > sum(worse) + 1.0
    assert better[0] > 0.6
    same = train(model, batches(), steps=2, seed=0)
    again = train(model, batches(), steps=2, seed=0)
    assert torch.equal(same.down, again.down)


class Guest:
    """A drafter of someone else's that reads hidden states."""

    name: ClassVar[str] = "guest"
    needs: ClassVar[frozenset[Need]] = frozenset({"hidden"})
    seen: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, model: Model) -> None:
        self.width = model.network.head_width

    def propose(self, spot: Spot, budget: int) -> Draft:
        return Draft.chain([7, 7], [0.9, 0.9]) if not spot.num_drafted and budget > 1 else NOTHING

    def observe(self, verdict: Verdict) -> None:
        assert verdict.hidden is not None
        assert verdict.hidden.shape == (1 + len(verdict.draft), self.width)
        self.seen.append(tuple(verdict.hidden.shape))

    def forget(self, row: object) -> None: ...

    def keep(self) -> None: ...


def test_heads_of_others_are_hosted(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    makers = {**registry._makers(), "guest": f"{__name__}:Guest"}
    monkeypatch.setattr(registry, "_makers", lambda: makers)
    monkeypatch.setattr(
        registry, "import_module", lambda name: __import__("types").SimpleNamespace(Guest=Guest)
    )
    asked = Request("a", (5, 6), max_tokens=6)
    [plain] = Loop(model).run([asked])
    [found] = Loop(model).run([replace(asked, drafters=registry.parse("guest"))])
    assert found.tokens == plain.tokens
    assert Guest.seen


def test_the_shipped_head_belongs_to_the_shipped_model() -> None:
    """It names about as many of the model's own tokens as its card says, on two texts here."""
    built_in = models.load()
    net = load(built_in).to(torch.zeros(1))
    texts: list[Text] = []
    for text in ("Ann Lee, born 1990, is in Oslo.", "Bob Ray, born 1971, is in Rome."):
        ids = encode(built_in, Prompt(text, fields="name, born int"))
        [said] = Loop(built_in).run([Request("a", ids, max_tokens=40)])
        texts.append(([*ids, *said.tokens], len(ids)))
    shares = foretold(built_in.network, net, texts)
    assert min(shares) > 0.2
    assert sum(shares) / len(shares) > 0.3
