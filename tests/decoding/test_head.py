"""Mask before head: the same choices, whatever is computed; the heads of all kinds of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import transformers
from checkpoints import save_checkpoint
from step_inputs import SETTINGS, make_inputs, pack

from tether.decoding import head, models, step
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model, Network
from tether.decoding.models.huggingface import HuggingFaceNetwork
from tether.decoding.request import Request, Sampling
from tether.decoding.terms.parse import parse
from tether.grammars import choices, regex

SHAPE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
IDS = torch.tensor([0, 3, 17, 64, 255, 319])

Ids = torch.Tensor | None


class Matrix:
    """A network that is nothing but its head; counts how it was asked."""

    def __init__(self, vocab: int = 512, width: int = 16, device: str = "cpu") -> None:
        self.weight = torch.randn(vocab, width, generator=torch.Generator().manual_seed(0))
        self.head_size, self.head_width = vocab, width
        self.device = torch.device(device)
        self.asked: list[int | None] = []  # tokens; None for all

    def head(self, hidden: torch.Tensor, ids: Ids = None) -> torch.Tensor:
        self.asked.append(None if ids is None else len(ids))
        if ids is None:
            return hidden @ self.weight.T
        return head.linear_at(hidden, self.weight, None, ids)


def ask(network: Matrix, hidden: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    masks = None if allowed is None else pack(allowed)
    return head.step_logits(cast(Network, network), hidden, masks)


@pytest.fixture
def paying(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule as it is for a large head, on a small one."""
    monkeypatch.setitem(head._WORTH, "cpu", 1)


def library(kind: str, **settings: Any) -> Any:
    """A random model of the library; its logits are as large as those of a trained one."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, **settings})
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(40)
        if model.get_output_embeddings().bias is not None:
            model.get_output_embeddings().bias.normal_()
    return model


def logits_by_network(network: Network, tokens: list[int], ids: Ids) -> torch.Tensor:
    from tether.decoding.cache import SlotCache

    cache = SlotCache(network.num_layers, 1)
    window = cache.window(0, [len(tokens)], device=network.device, dtype=network.dtype)
    return network.head(network.forward(torch.tensor([tokens]), cache, window), ids)


class TestHeads:
    @pytest.mark.parametrize(
        ("kind", "tied"), [("llama", False), ("llama", True), ("qwen2", True), ("gpt2", True)]
    )
    @pytest.mark.parametrize("backend", ["auto", "transformers"])
    def test_some_tokens_are_those_of_the_whole(
        self, kind: str, backend: models.Backend, tied: bool, tmp_path: Path
    ) -> None:
        save_checkpoint(tmp_path, kind, tie_word_embeddings=tied)
        network = models.load(str(tmp_path), dtype="float32", backend=backend).network
        hidden = torch.randn(3, network.head_width)
        assert network.head_width == 32
        ids = torch.arange(0, network.head_size, 3)
        torch.testing.assert_close(network.head(hidden, ids), network.head(hidden)[:, ids])

    def test_many_tokens_are_multiplied_in_parts(self) -> None:
        weight, bias, hidden = torch.randn(5000, 8), torch.randn(5000), torch.randn(2, 8)
        ids = torch.arange(1, 5000, 2)
        want = torch.nn.functional.linear(hidden, weight, bias)[:, ids]
        torch.testing.assert_close(head.linear_at(hidden, weight, bias, ids), want)

    @pytest.mark.parametrize(
        ("kind", "settings", "width"),
        [
            ("Phi", {}, 32),  # has a bias
            ("Cohere", {"logit_scale": 1.0}, 32),
            ("Cohere", {"logit_scale": 0.25}, 0),
            ("Granite", {"logits_scaling": 1.0}, 32),
            ("Granite", {"logits_scaling": 8.0}, 0),
            ("Gemma2", {"final_logit_softcapping": None, "head_dim": 8}, 32),
            ("Gemma2", {"final_logit_softcapping": 30.0, "head_dim": 8}, 0),
        ],
    )
    def test_logits_are_the_librarys_own(
        self, kind: str, settings: dict[str, Any], width: int
    ) -> None:
        """A head whose logits are changed afterwards runs whole, and is changed as it should be."""
        model = library(kind, **settings)
        network = HuggingFaceNetwork(model)
        assert network.head_width == width
        with torch.no_grad():
            want = model(torch.tensor([[5, 6, 7]])).logits[:, -1]
        for ids in (None, IDS):
            said = logits_by_network(network, [5, 6, 7], ids)
            wanted = want if ids is None else want[:, ids]
            torch.testing.assert_close(said, wanted, atol=1e-3, rtol=1e-4)

    def test_a_soft_cap_shows_however_small_the_logits(self) -> None:
        model = library("Gemma2", final_logit_softcapping=30.0, head_dim=8)
        with torch.no_grad():
            model.get_output_embeddings().weight.mul_(1e-4)
        assert HuggingFaceNetwork(model).head_width == 0

    def test_a_head_that_is_no_plain_matrix_runs_whole(self) -> None:
        class Adapted(torch.nn.Linear):
            def forward(self, given: torch.Tensor) -> torch.Tensor:
                return super().forward(given) + 1

        model = library("Llama")
        adapted = Adapted(32, 320, bias=False)
        adapted.weight = model.lm_head.weight
        model.set_output_embeddings(adapted)
        network = HuggingFaceNetwork(model)
        assert network.head_width == 0
        hidden = torch.randn(2, 32)
        assert torch.equal(network.head(hidden, IDS), adapted(hidden)[:, IDS])


class TestRule:
    """When the allowed tokens alone are computed."""

    @pytest.mark.parametrize(
        ("allowed", "asked"),
        [([5, 9], 9), ([64, 1], 64), ([65, 65], None), ([5, 400, 9], None), ([512], None)],
    )
    @pytest.mark.usefixtures("paying")
    def test_by_counts(self, allowed: list[int], asked: int | None) -> None:
        network, hidden = Matrix(), torch.randn(len(allowed), 16)
        mask = torch.arange(512)[None] < torch.tensor(allowed)[:, None]
        logits = ask(network, hidden, mask)
        assert network.asked == [asked]
        computed = torch.isfinite(logits)
        assert bool((computed | ~mask).all())
        torch.testing.assert_close(logits[computed], (hidden @ network.weight.T)[computed])

    @pytest.mark.usefixtures("paying")
    def test_too_many_tokens_together_are_the_whole_head(self) -> None:
        network, mask = Matrix(), torch.zeros(5, 512, dtype=torch.bool)
        for row in range(5):
            mask[row, row * 100 : row * 100 + 20] = True
        ask(network, torch.randn(5, 16), mask)
        assert network.asked == [None]

    @pytest.mark.usefixtures("paying")
    def test_without_masks(self) -> None:
        network = Matrix()
        ask(network, torch.randn(2, 16), None)
        assert network.asked == [None]

    @pytest.mark.usefixtures("paying")
    def test_bits_past_the_vocabulary_mean_nothing(self) -> None:
        network, mask = Matrix(vocab=500), torch.zeros(1, 512, dtype=torch.bool)
        mask[0, [3, 499, 500, 511]] = True
        logits = ask(network, torch.randn(1, 16), mask)
        assert torch.isfinite(logits).nonzero().tolist() == [[0, 3], [0, 499]]

    @pytest.mark.parametrize(
        ("width", "device", "asked"),
        [(4000, "cpu", None), (5000, "cpu", 4), (5000, "cuda", None), (300_000, "cuda", 4)],
    )
    def test_a_small_head_is_not_worth_it(self, width: int, device: str, asked: int | None) -> None:
        """About two million weights on a CPU; a GPU reads far more while kernels start."""
        network = Matrix(width=8, device=device)
        network.head_width = width  # the rule asks for no more
        ask(network, torch.randn(1, 8), torch.arange(512)[None] < 4)
        assert network.asked == [asked]

    @pytest.mark.usefixtures("paying")
    def test_a_head_without_width_never_pays(self) -> None:
        network = Matrix()
        network.head_width = 0
        mask = torch.arange(512)[None] < 4
        ask(network, torch.randn(1, 16), mask)
        assert network.asked == [None]


@pytest.mark.usefixtures("paying")
@pytest.mark.parametrize("vocab", [320, 9000])
def test_step_chooses_the_same(vocab: int) -> None:
    """Tokens and margins, greedy and sampled, truncated in every way."""
    generator = torch.Generator().manual_seed(vocab)
    network = Matrix(vocab)
    for number, settings in enumerate(SETTINGS):
        hidden = torch.randn(6, 16, dtype=torch.float64, generator=generator)
        network.weight = network.weight.double()
        allowed = torch.rand(6, vocab, generator=generator) < 0.01
        allowed[:, 7] = True
        full = network.head(hidden)
        network.asked.clear()
        some = ask(network, hidden, allowed)
        assert network.asked == [int(allowed.any(dim=0).sum())]
        want, got = (
            step.choose(*make_inputs(logits, allowed, position=number, **settings))  # type: ignore[arg-type]
            for logits in (full, some)
        )
        assert got.token.tolist() == want.token.tolist()
        assert got.margin is not None
        assert want.margin is not None
        torch.testing.assert_close(got.margin, want.margin)


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param, tie_word_embeddings=request.param == "qwen2")
    return models.load(str(directory), dtype="float32")


def rows(model: Model) -> list[Request]:
    """Narrow and wide masks and none; greedy and sampled; with biases, penalties and terms."""
    encode = model.vocabulary.encode
    constraints = [
        regex(r"-?[0-9]{4,6}", model.vocabulary),
        choices(["true", "false", "the other", "the one"], model.vocabulary),
        regex(r'\{"identifier":"[^"\\]{2,12}","ok":(true|false)\}', model.vocabulary),
        None,
    ]
    return [
        Request(
            f"r{index}",
            tuple(encode("abcdefgh"[: 1 + index % 8])),
            constraints[index // 5],  # rows of one kind side by side
            Sampling(
                temperature=(0.0, 1.0, 1.5)[index % 3],
                top_p=(1.0, 0.9)[index % 2],
                typical_p=0.9 if index % 7 == 1 else 1.0,
                seed=index,
                repetition_penalty=1.3 if index % 9 == 8 else 1.0,
                logit_bias={encode("1")[0]: 1.0} if index % 3 == 0 else {},
            ),
            terms=(parse("dola:0.5"),) if index % 8 == 5 else (),
            max_tokens=16,
        )
        for index in range(20)
    ]


def test_rows_say_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[bool, bool]] = set()  # several rows, some tokens only
    whole = type(model.network).head

    def spy(network: Any, hidden: torch.Tensor, ids: Ids = None) -> torch.Tensor:
        asked.add((len(hidden) > 1, ids is not None))
        return whole(network, hidden, ids)

    def said(slots: int, worth: int) -> dict[str, tuple[int, ...]]:
        monkeypatch.setitem(head._WORTH, "cpu", worth)
        return {row.key: row.tokens for row in Loop(model, slots=slots).run(rows(model))}

    monkeypatch.setattr(type(model.network), "head", spy)
    want = said(1, 1 << 60)
    assert not any(some for _, some in asked)
    for slots in (1, 4):
        assert said(slots, 1) == want
    assert asked == {(many, some) for many in (False, True) for some in (False, True)}


@pytest.mark.parametrize("reason", ["penalty", "terms"])
def test_who_reads_log_probabilities_gets_all_of_them(
    model: Model, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(head._WORTH, "cpu", 1)
    asked: list[Ids] = []
    whole = type(model.network).head

    def spy(network: Any, hidden: torch.Tensor, ids: Ids = None) -> torch.Tensor:
        asked.append(ids)
        return whole(network, hidden, ids)

    monkeypatch.setattr(type(model.network), "head", spy)
    constraint = choices(["yes", "no", "maybe"], model.vocabulary)
    plain = Request("plain", (5, 6, 7), constraint)
    penalty = Sampling(repetition_penalty=1.2)
    reader = (
        replace(plain, sampling=penalty)
        if reason == "penalty"
        else replace(plain, terms=(parse("dola"),))
    )
    for request, some in ((plain, True), (reader, False)):
        asked.clear()
        list(Loop(model, slots=1).run([request]))
        assert asked
        assert all((ids is not None) == some for ids in asked)
