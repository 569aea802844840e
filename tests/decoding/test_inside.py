"""Terms that read through the model again: kid in both forms, rapid; alone and in company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import save_checkpoint
from torch import Tensor

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.grounds.told import given
from tether.decoding.loop import Loop
from tether.decoding.models import Backend
from tether.decoding.models.base import Model, Network
from tether.decoding.nudge import Retelling
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request
from tether.decoding.terms.prompts import cast
from tether.errors import UsageError
from tether.grammars import regex
from tether.grounding.transfer import Transfer

QUESTION = "Who founded Garcia Holdings?"
FOUNDED = "Heblock Draijaithei founded Garcia Holdings."
PASSAGES = (f"Blue is a colour. {FOUNDED}", "Reeds line the whole bank.")


@pytest.fixture(scope="module")
def both() -> dict[Backend, Model]:
    backends: tuple[Backend, Backend] = ("lean", "transformers")
    return {backend: models.load(dtype="float32", backend=backend) for backend in backends}


@pytest.fixture(scope="module")
def model(both: dict[Backend, Model]) -> Model:
    return both["lean"]


def ask(model: Model, *grounds: str, question: str = QUESTION, **fields: Any) -> Request:
    prompt = Prompt(question, passages=fields.pop("passages", PASSAGES))
    methods = parse_all(grounds)
    main, others = cast(prompt, (), {v for method in methods for v in method.variants})
    ids = encode(model, main)
    return Request(
        question,
        ids,
        sources=bind_all(methods, given(model, ids, main)),
        prompts={variant: encode(model, other) for variant, other in others.items()},
        **{"max_tokens": 24, **fields},
    )


def texts(model: Model, *requests: Request, slots: int = 1) -> list[str]:
    found = {result.key: result.text for result in Loop(model, slots=slots).run(requests)}
    return [found[request.key] for request in requests]


@pytest.mark.parametrize("ground", ["kid:4", "kid:2,steps=2", "kid:2,faithful=yes", "rapid:5"])
class TestLaws:
    def test_company_changes_nothing(self, model: Model, ground: str) -> None:
        rows = [
            ask(model, ground),
            ask(model, question="Who wrote The Silent Garden?"),
            ask(model, ground, question="Garcia Holdings: founder?"),
        ]
        assert texts(model, *rows, slots=3) == [text for r in rows for text in texts(model, r)]

    def test_the_constraint_holds(self, model: Model, ground: str) -> None:
        mask = regex("[a-z]{3,8}", model.vocabulary)
        (text,) = texts(model, ask(model, ground, constraint=mask))
        assert mask.validate(text) is None

    def test_what_has_nothing_to_do_with_it_changes_nothing(
        self, model: Model, ground: str
    ) -> None:
        other = ("Nobody here says a thing.",)
        plain, grounded = (ask(model, *some, passages=other) for some in ((), (ground,)))
        assert texts(model, grounded) == texts(model, plain)

    def test_both_backends_say_the_same(self, both: dict[Backend, Model], ground: str) -> None:
        lean, library = (texts(model, ask(model, ground)) for model in both.values())
        assert lean == library


def test_a_stale_memory_gives_way(model: Model) -> None:
    remembered, told = texts(model, ask(model)), texts(model, ask(model, "kid:20"))
    assert remembered != ["Heblock Draijaithei"]
    assert told == ["Heblock Draijaithei"]


class TestShortPrompts:
    def test_only_what_speaks_of_the_question_is_left(self) -> None:
        _, others = cast(Prompt(QUESTION, passages=PASSAGES), (), {"short"})
        assert others["short"].passages == (FOUNDED,)

    @pytest.mark.parametrize("passages", [(), ("Reeds line the whole bank.",)])
    def test_without_such_a_sentence_all_is_kept(self, passages: tuple[str, ...]) -> None:
        prompt = Prompt(QUESTION, passages=passages)
        assert cast(prompt, (), {"short"})[1]["short"] == prompt

    def test_a_raw_prompt_is_refused(self) -> None:
        with pytest.raises(UsageError, match="which part of it is evidence"):
            cast(Prompt(QUESTION, raw=True), (), {"short"})


def held(network: Network, tokens: list[int]) -> Retelling:
    """A row that was read, in the second of three slots."""
    cache = SlotCache(network.num_layers, 3)
    for slot, row in enumerate(([3, 4], tokens, [5])):
        window = cache.window(slot, [len(row)], device=network.device, dtype=network.dtype)
        network.forward(torch.tensor([row]), cache, window)
        cache.commit(window)
    return Retelling(network, cache, 1, tokens[-1], None)


class TestNudge:
    TOKENS = (40, 50, 60, 70, 80, 90)
    KNOWN = np.array([100, 200, 300])

    def mask(self, model: Model) -> np.ndarray:
        allowed = np.ones(model.network.head_size, dtype=bool)
        allowed[1000:] = False
        return allowed

    def mass(self, model: Model, steps: int, rate: float = 1.0) -> float:
        retelling = held(model.network, list(self.TOKENS))
        found = retelling(self.KNOWN, self.mask(model), steps, rate)
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
        assert (found[1000:] == -np.inf).all()
        return float(np.exp(found[self.KNOWN]).sum())

    def test_each_step_makes_the_known_likelier(self, model: Model) -> None:
        masses = [self.mass(model, steps) for steps in range(4)]
        assert masses == sorted(masses)
        assert masses[3] > 1.01 * masses[0]

    def test_both_backends_go_the_same_way(self, both: dict[Backend, Model]) -> None:
        lean, library = (self.mass(model, 3) for model in both.values())
        assert lean == pytest.approx(library, rel=1e-3)

    def test_without_steps_the_model_speaks(self, model: Model) -> None:
        network, allowed = model.network, self.mask(model)
        found = held(network, list(self.TOKENS))(self.KNOWN, allowed, 0, 1.0)
        cache = SlotCache(network.num_layers, 1)
        window = cache.window(0, [6], device=network.device, dtype=network.dtype)
        logits = network.head(network.forward(torch.tensor([self.TOKENS]), cache, window))[0]
        expected = torch.log_softmax(logits.masked_fill(torch.from_numpy(~allowed), -torch.inf), 0)
        np.testing.assert_allclose(found[allowed], expected[allowed].numpy(), atol=1e-4)

    def test_the_cache_stays_as_it_was(self, model: Model) -> None:
        retelling = held(model.network, list(self.TOKENS))
        before = _copied(retelling)
        retelling(self.KNOWN, self.mask(model), 3, 1.0)
        after = _copied(retelling)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert retelling.cache.lengths == [2, 6, 1]

    def test_a_gradient_of_nothing_stays_one(self, model: Model) -> None:
        """What is certain to be said is known: the model goes on as it did."""
        retelling, allowed = held(model.network, list(self.TOKENS)), self.mask(model)
        allowed[:] = False
        allowed[[100, 101]] = True
        plain = retelling(np.array([100]), allowed, 0, 1.0)
        best = int(plain.argmax())
        nudged = retelling(np.array([best]), allowed, 3, 1.0)
        assert nudged[best] >= plain[best]

    def test_a_small_step_lowers_the_loss_as_finite_differences_say(self, model: Model) -> None:
        """The first step goes along the gradient, so the loss falls in proportion to it."""
        exact = held(model.network.exact(), list(self.TOKENS))
        allowed = self.mask(model)

        def loss(rate: float) -> float:
            found = exact(self.KNOWN, allowed, 1, rate)
            return -float(np.log(np.exp(found[self.KNOWN]).sum()))

        slopes = [(loss(rate) - loss(0.0)) / rate for rate in (1e-4, 2e-4)]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-2)
        assert slopes[0] < 0


def _copied(retelling: Retelling) -> list[Tensor]:
    layers = retelling.cache.layers
    pairs = [(layer.keys, layer.values) for layer in layers]
    return [part.clone() for pair in pairs for part in pair if part is not None]


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama", initializer_range=0.5)
    return models.load(str(directory), dtype="float32")


class TestShortContext:
    """On a random model, whose short prompts say other things than the full ones."""

    PROMPTS = ((5, 6, 7, 8, 9, 10), (21, 22, 23, 24), (31, 32, 33, 34, 35))
    SHORT = ((9, 70), (22, 80), (31, 32, 33, 34, 35))
    RATE = 40.0

    def requests(self, *sources: Transfer, **more: Any) -> list[Request]:
        pairs = enumerate(zip(self.PROMPTS, self.SHORT, strict=True))
        return [
            Request(str(n), full, prompts={"short": short}, sources=sources, **more)
            for n, (full, short) in pairs
        ]

    def log_p(self, model: Model, tokens: tuple[int, ...]) -> np.ndarray:
        retelling = held(model.network, list(tokens))
        allowed = np.ones(model.network.head_size, dtype=bool)
        allowed[[t for t in model.vocabulary.special_ids if t not in model.end_ids]] = False
        return np.asarray(retelling(np.array([5]), allowed, 0, 1.0))

    def test_the_first_token_is_the_formula_s(self, random: Model) -> None:
        tokens = {r.key: r.tokens for r in Loop(random).run(self.requests(max_tokens=1))}
        asked = self.requests(Transfer(self.RATE), max_tokens=1)
        moved = {r.key: r.tokens for r in Loop(random).run(asked)}
        for number, (full, short) in enumerate(zip(self.PROMPTS, self.SHORT, strict=True)):
            log_p, log_q = self.log_p(random, full), self.log_p(random, short)
            plausible = np.exp(log_q) >= 0.1 * np.exp(log_q).max()
            scores = log_p + plausible * self.RATE * (np.exp(log_q) - np.exp(log_p))
            assert moved[str(number)] == (int(scores.argmax()),)
        assert moved != tokens
        assert moved["2"] == tokens["2"]  # its short prompt is the full one

    def test_company_changes_nothing(self, random: Model) -> None:
        asked = self.requests(Transfer(self.RATE), max_tokens=12)
        together = {r.key: r.tokens for r in Loop(random, slots=3).run(asked)}
        alone = {r.key: r.tokens for r in Loop(random, slots=1).run(asked)}
        plain = {r.key: r.tokens for r in Loop(random).run(self.requests(max_tokens=12))}
        assert together == alone
        assert together["2"] == plain["2"]
