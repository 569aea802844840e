"""LEAD: what it feeds, when it switches, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model, Network, mix
from tether.decoding.reference import entropy
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.terms.lead import Lead
from tether.decoding.terms.parse import parse, parse_all
from tether.errors import UsageError
from tether.grammars import choices, regex

TEXTS = ("hello", "the and", "an or in he", "id")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param)
    return models.load(str(directory), dtype="float64")


def ask(model: Model, text: str, *terms: str, **fields: Any) -> Request:
    prompt = tuple(model.vocabulary.encode(text))
    return Request(text, prompt, terms=parse_all(terms), **{"max_tokens": 24, **fields})


def run(model: Model, *requests: Request, slots: int = 1) -> dict[str, Result]:
    results = {result.key: result for result in Loop(model, slots=slots).run(requests)}
    assert all(result.finish in ("stop", "limit") for result in results.values())
    return results


def tokens(model: Model, *terms: str, **fields: Any) -> dict[str, tuple[int, ...]]:
    results = run(model, *(ask(model, text, *terms, **fields) for text in TEXTS))
    return {key: result.tokens for key, result in results.items()}


def logits(network: Network, fed: list[int], mixtures: torch.Tensor | None = None) -> torch.Tensor:
    """After one token of each row, the rows being empty before."""
    cache = SlotCache(network.num_layers, len(fed))
    window = cache.window(0, [1] * len(fed), device=network.device, dtype=network.dtype)
    given = torch.tensor(fed)[:, None]
    return network.head(network.forward(given, cache, window, (), mixtures))


class TestWorkedNumbers:
    def test_the_expected_embedding(self) -> None:
        embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
        odds = torch.tensor([[0.5, 0.4, 0.1]], dtype=torch.float64)
        fed = embeddings[[2]]
        mix(fed, torch.tensor([0]), odds, embeddings)
        torch.testing.assert_close(fed, torch.tensor([[0.4, 0.4]], dtype=torch.float64))
        assert round(float(entropy(odds.log())), 4) == 0.9433

    def test_what_is_missing_is_the_tokens_own(self) -> None:
        embeddings = torch.eye(3)
        fed = embeddings[[1, 2]]
        mix(fed, torch.tensor([1]), torch.tensor([[0.5, 0.25, 0.0]]), embeddings)
        assert fed.tolist() == [[0, 1, 0], [0.5, 0.25, 0.25]]


class TestSwitches:
    def mixed(self, term: str, entropies: list[float]) -> str:
        """M for each choice that is mixed, t for each that is fed as its token."""
        lead = parse(term)
        assert isinstance(lead, Lead)
        starts = (entropies[: n + 1] for n in range(len(entropies)))
        return "".join("M" if lead.mixes(start) else "t" for start in starts)

    def test_mixes_until_sure_and_again_when_unsure(self) -> None:
        entropies = [1.5, 0.3, 0.1, 0.9, 1.2, 2.0, 1.9, 0.15, 0.15]
        assert self.mixed("lead,window=1", entropies) == "MMttMMMtt"

    def test_stays_with_tokens_for_the_window(self) -> None:
        entropies = [0.1, 3.0, 3.0, 3.0, 3.0]
        assert self.mixed("lead,window=3", entropies) == "tttMM"
        assert self.mixed("lead,window=99", entropies) == "ttttt"

    def test_compares_with_the_last_switch(self) -> None:
        # Back to tokens only below the entropy of the switch, however high b2 is.
        assert self.mixed("lead,b1=1,b2=5,window=0", [0.5, 2.0, 3.0, 1.9]) == "tMMt"


def test_one_hot_mixtures_are_tokens_bit_for_bit(model: Model) -> None:
    network = model.network
    plain = logits(network, [5, 9, 40])
    one_hot = torch.nn.functional.one_hot(torch.tensor([5, 9, 40]), network.head_size).double()
    assert torch.equal(logits(network, [7, 7, 7], one_hot), plain)
    one_hot[1] = 0
    assert torch.equal(logits(network, [7, 9, 7], one_hot), plain)


def test_a_mixture_is_neither_of_its_tokens(model: Model) -> None:
    network = model.network
    half = torch.zeros(1, network.head_size, dtype=torch.float64)
    half[0, [5, 9]] = 0.5
    mixed = logits(network, [5], half)
    assert not torch.allclose(mixed, logits(network, [5]), atol=1e-4)
    torch.testing.assert_close(mixed, logits(network, [9], half))


def test_backends_mix_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("both")
    save_checkpoint(directory, "llama")
    odds = torch.softmax(torch.randn(2, 50, generator=torch.Generator().manual_seed(1)), dim=1)
    odds = torch.nn.functional.pad(odds, (0, 100))
    lean, library = (
        logits(models.load(str(directory), dtype="float32", backend=b).network, [5, 6], odds)
        for b in ("lean", "transformers")
    )
    torch.testing.assert_close(lean, library, atol=1e-4, rtol=0)


def test_it_changes_texts(model: Model) -> None:
    """Else the laws below would hold of nothing."""
    plain, led = tokens(model), tokens(model, "lead")
    assert sum(plain[text] != led[text] for text in TEXTS) >= 2
    assert {text: said[:1] for text, said in plain.items()} == {
        text: said[:1] for text, said in led.items()
    }


def test_nothing_mixed_is_the_plain_text(model: Model) -> None:
    for sampling in (Sampling(), Sampling(temperature=1.0, seed=2)):
        plain = tokens(model, sampling=sampling)
        assert tokens(model, "lead:0", sampling=sampling) == plain
        assert tokens(model, "lead,b1=99,b2=99", sampling=sampling) == plain


def test_the_first_mixture_has_a_newline(model: Model) -> None:
    """So a forward of the prompt, then of that mixture, gives the second token."""
    network, vocabulary = model.network, model.vocabulary
    (newline,) = vocabulary.encode("\n")
    request = ask(model, "the and", "lead", max_tokens=2)
    (result,) = run(model, request).values()
    cache = SlotCache(network.num_layers, 1)
    spoken = torch.ones(network.head_size, dtype=torch.bool)
    spoken[list(vocabulary.special_ids - model.end_ids)] = False

    def step(fed: list[int], mixture: torch.Tensor | None = None) -> torch.Tensor:
        window = cache.window(0, [len(fed)], device=network.device, dtype=network.dtype)
        hidden = network.forward(torch.tensor([fed]), cache, window, (), mixture)
        cache.commit(window)
        return network.head(hidden).masked_fill(~spoken, -torch.inf)

    first = step(list(request.prompt))
    mixture = 0.9 * torch.softmax(first, dim=1)
    mixture[0, newline] += 0.1
    second = step([int(first.argmax())], mixture)
    assert result.tokens == (int(first.argmax()), int(second.argmax()))


def test_company_does_not_change_a_row(model: Model) -> None:
    record = regex(r'\{"identifier":"[a-z]{2}","ok":(true|false)\}', model.vocabulary)  # ragged
    rows = [ask(model, text, "lead,window=2,b1=5.2,b2=5.7") for text in TEXTS]
    rows += [ask(model, f"plain {text}") for text in TEXTS]
    rows += [ask(model, "deep", "dola:1"), ask(model, "bound", constraint=record)]
    rows += [ask(model, "long", "lead", sampling=Sampling(temperature=1.0), max_tokens=40)]
    alone = {row.key: run(model, row)[row.key].tokens for row in rows}
    for slots in (3, 11):
        together = run(model, *rows, slots=slots)
        assert {key: result.tokens for key, result in together.items()} == alone


def test_thoughts_are_mixed_and_answers_are_not(model: Model, monkeypatch: Any) -> None:
    """The delimiter, what is forced and the answer are fed as tokens."""
    fed = []
    forward = type(model.network).forward

    def spy(
        self: Any, tokens: Any, cache: Any, window: Any, taps: Any, mixtures: Any, *more: Any
    ) -> Any:
        fed.append((window.columns[0, -1].item(), mixtures is not None))
        return forward(self, tokens, cache, window, taps, mixtures, *more)

    monkeypatch.setattr(type(model.network), "forward", spy)
    answer = regex("[a-z]{4}", model.vocabulary)
    for fields in ({"constraint": answer}, {}):
        fed.clear()
        request = ask(model, "hello", "lead", think="</think>", max_tokens=24, **fields)
        (result,) = run(model, request).values()
        last_thought = len(request.prompt) + result.stats.thought_tokens - 1
        assert result.stats.thought_tokens > 2
        assert fed[-1][0] > last_thought
        for column, mixed in fed:
            assert mixed == (len(request.prompt) <= column < last_thought)


def test_small_models_settle_no_ties_of_mixed_rows(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tokens alone do not say what the network has seen."""
    from tether.decoding import ties

    directory = tmp_path_factory.mktemp("near")
    save_checkpoint(directory, "llama")
    model = models.load(str(directory), dtype="float32")
    monkeypatch.setattr(ties, "NEAR", 99.0)
    settled: list[int] = []
    exactly = ties.said_exactly

    def spy(networks: Any, row: Any, mask: Any) -> Any:
        settled.append(row.num_output)
        return exactly(networks, row, mask)

    monkeypatch.setattr(ties, "said_exactly", spy)
    for term, places in (("lead", [0]), ("lead,b1=99,b2=99", [*range(6)])):
        settled.clear()
        run(model, ask(model, "hello", term, max_tokens=6))
        assert settled == places


class TestRefusals:
    def test_company(self) -> None:
        with pytest.raises(UsageError, match="stands alone") as caught:
            parse_all(["cad:1", "lead"])
        assert "Take out lead" in caught.value.hint

    def test_a_constraint_without_a_thought(self, model: Model) -> None:
        answer = choices(["yes", "no"], model.vocabulary)
        rows = [ask(model, "bad", "lead", constraint=answer), ask(model, "good", "lead")]
        results = {result.key: result for result in Loop(model, slots=2).run(rows)}
        assert results["bad"].finish == "usage"
        assert "--think" in results["bad"].message
        assert results["good"].finish in ("stop", "limit")

    def test_a_weight_above_one(self) -> None:
        with pytest.raises(UsageError, match="weight=2"):
            parse("lead:2")
