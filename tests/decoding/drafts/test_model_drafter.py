"""A model as drafter: what it guesses, what it learns, and what it costs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from tether.decoding import models
from tether.decoding.drafts.chances import Chances, Clue
from tether.decoding.drafts.draft import Draft, Spot, Verdict
from tether.decoding.drafts.model import DraftModel
from tether.decoding.drafts.model_chain import Chain
from tether.decoding.drafts.model_clock import Clock
from tether.decoding.drafts.model_reader import Asked, Reader, draw
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Sampling
from tether.grammars import json_schema

PROMPT = Prompt("Ann Lee, born 1990, lives in Oslo.", fields="name, born int, town")
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "born": {"type": "integer"},
        "town": {"type": "string"},
    },
    "required": ["name", "born", "town"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model() -> Model:
    return models.load()


def request(model: Model, temperature: float, constrained: bool) -> Request:
    constraint = json_schema(SCHEMA, model.vocabulary) if constrained else None
    sampling = Sampling(temperature=temperature, seed=5)
    return Request("row", encode(model, PROMPT), constraint, sampling, max_tokens=48)


def spot(asked: Request, said: Sequence[int], num_drafted: int = 0) -> Spot:
    matcher = None if asked.constraint is None else asked.constraint.start()
    for token in said if matcher is not None else ():
        assert matcher is not None
        matcher.advance(token)
    return Spot("row", asked, [*asked.prompt, *said], num_drafted, matcher)


def first_path(draft: Draft) -> list[int]:
    """The token that stands first at each place."""
    path, parent = list[int](), -1
    while parent in draft.parents:
        parent = draft.parents.index(parent)
        path.append(draft.tokens[parent])
    return path


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("constrained", [True, False])
def test_the_model_itself_guesses_what_is_said(
    model: Model, temperature: float, constrained: bool
) -> None:
    """By the same noise it draws the same tokens; what is forced stands among them."""
    asked = request(model, temperature, constrained)
    [truth] = Loop(model).run([asked])
    drafter = DraftModel(model, floor=0.0)
    num_guessed = 0
    for begin in range(0, len(truth.tokens), 5):
        here = spot(asked, truth.tokens[:begin])
        if here.matcher is not None and here.matcher.forced():
            continue
        path = first_path(drafter.propose(here, 20))
        ends = [model.vocabulary.eos_id] * (truth.finish == "stop")
        said = [*truth.tokens, *ends][begin : begin + len(path)]
        assert path[: len(said)] == said
        num_guessed += len(said)
    assert num_guessed > 12


def test_it_drafts_once_a_turn(model: Model) -> None:
    drafter = DraftModel(model, floor=0.0)
    asked = request(model, 0.0, False)
    assert len(drafter.propose(spot(asked, []), 4)) > 0
    assert len(drafter.propose(spot(asked, [7], 1), 4)) == 0


def test_a_spot_is_left_as_it_was(model: Model) -> None:
    asked = request(model, 0.0, True)
    here = spot(asked, model.vocabulary.encode('{"name":"A'))
    masks = np.zeros((2, model.vocabulary.num_words), dtype=np.int32)
    assert here.matcher is not None
    here.matcher.fill_mask(masks[0])
    DraftModel(model, floor=0.0).propose(here, 6)
    here.matcher.fill_mask(masks[1])
    assert (masks[0] == masks[1]).all()


def test_budget_and_positions_hold(model: Model) -> None:
    asked = request(model, 0.7, False)
    drafter = DraftModel(model, floor=0.0)
    for budget in range(6):
        assert len(drafter.propose(spot(asked, []), budget)) <= budget
    long = replace(asked, prompt=asked.prompt * 80)
    assert len(long.prompt) > model.network.max_positions
    assert len(drafter.propose(spot(long, []), 6)) == 0


class TestReader:
    def test_scores_are_those_of_a_fresh_reader(self, model: Model) -> None:
        """After rollbacks, other rows and freed places too."""
        reader = Reader(model.network)
        texts = ["Ann Lee was", "Ann Lee is not here", "Ann", "Ann Lee was", "Bob", "Ann Lee won"]
        for number, text in enumerate(texts):
            tokens = model.vocabulary.encode(text)
            row = "ab"[number % 2]
            fresh = Reader(model.network).scores([Asked(row, tokens)])
            # Another batch shape rounds in another way.
            found = reader.scores([Asked(row, tokens)])
            torch.testing.assert_close(found, fresh, rtol=1e-5, atol=1e-4)
            if number == 3:
                reader.forget("a")

    def test_rows_side_by_side_are_as_alone(self, model: Model) -> None:
        """Any rows in any order, far behind or at their last position, others between them."""
        rng, reader = random.Random(4), Reader(model.network)
        most = model.network.max_positions
        texts = {row: [rng.randrange(300) for _ in range(most)] for row in "abcdef"}
        ends = {"a": most - 3, "b": 4, "c": 60, "d": 1, "e": 700, "f": 9}
        for _ in range(6):
            rows = rng.sample("abcdef", rng.randrange(1, 6))
            ends |= {row: min(most, ends[row] + rng.randrange(-2, 20)) for row in rows}
            asked = [Asked(row, texts[row][: max(1, ends[row])]) for row in rows]
            alone = [Reader(model.network).scores([place])[0] for place in asked]
            together = reader.scores(asked)
            torch.testing.assert_close(together, torch.stack(alone), rtol=1e-5, atol=1e-4)
            if rng.random() < 0.4:
                reader.forget(rng.choice("abcdef"))

    def test_masks_hide(self, model: Model) -> None:
        reader = Reader(model.network)
        mask = torch.zeros(model.vocabulary.num_words, dtype=torch.int32).numpy()
        mask[3] = 0b101
        [scores, whole] = reader.scores([Asked("a", [5, 6], mask), Asked("b", [5, 6])])
        assert bool((whole > -torch.inf).all())
        assert sorted(torch.nonzero(scores > -torch.inf)[:, 0].tolist()) == [96, 98]
        assert float(scores.exp().sum()) == pytest.approx(1)


def test_the_same_noise_draws_the_same_token() -> None:
    """The card: close distributions agree .873 of the time, and .934 of two for distant ones."""
    close = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    far = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    for (p, q), count, rate in ((close, 1, 0.873), (far, 1, 0.5765), (far, 2, 0.934)):
        hits = 0
        for state in range(1500):
            [[(chosen, _)]] = draw(p.log()[None], [1.0], [state * 7_919_777], 1)
            [guesses] = draw(q.log()[None], [1.0], [state * 7_919_777], count)
            hits += chosen in dict(guesses)
        assert hits / 1500 == pytest.approx(rate, abs=0.035)


def test_greedy_guesses_are_the_best() -> None:
    scores = torch.tensor([[0.2, 0.5, 0.3]]).log()
    [guesses, _] = draw(scores.repeat(2, 1), [0.0, 1.0], [1, 2], 2)
    assert [token for token, _ in guesses] == [1, 2]
    assert [belief for _, belief in guesses] == pytest.approx([0.5, 0.3])


class TestChain:
    def test_examples_are_what_stands_on_the_way(self) -> None:
        chain = Chain("model", Chances())
        chain.guess([(5, 0.9), (6, 0.05)])
        chain.force([4])
        chain.guess([(7, 0.5), (8, 0.4)])
        chain.guess([(9, 0.8)])
        found = [
            (clue.depth, clue.rank, is_right) for clue, is_right in chain.examples([5, 4, 8, 1])
        ]
        assert found == [(0, 0, True), (0, 1, False), (1, 0, False), (1, 1, True)]
        assert list(chain.examples([])) == []

    def test_a_tree_behind_the_first_guesses(self) -> None:
        chain = Chain("model", Chances())
        chain.guess([(5, 0.9), (6, 0.1)])
        chain.force([3])
        chain.guess([(7, 0.5)])
        draft = chain.draft()
        assert (draft.tokens, draft.parents) == ((5, 6, 3, 7), (-1, -1, 0, 2))
        assert draft.chances == pytest.approx((0.9, 0.1, 1.0, 0.5))
        assert chain.value == pytest.approx(0.45)
        assert chain.said == pytest.approx(1 + 0.9 + 0.45)

    def test_it_learns_not_to_trust_itself(self, model: Model) -> None:
        asked = request(model, 0.0, False)
        drafter = DraftModel(model, floor=0.0)
        before = drafter.propose(spot(asked, []), 6).chances[0]
        for _ in range(80):
            draft = drafter.propose(spot(asked, []), 6)
            wrong = [(draft.tokens[0] + 1) % 2000]
            drafter.observe(Verdict("row", asked, asked.prompt, draft, wrong, [0], []))
        assert drafter.propose(spot(asked, []), 6).chances[0] < before / 3


class TestClock:
    def test_a_chain_pays_while_its_token_is_likely(self) -> None:
        """A turn of ten, own forwards of one: the token pays above (said * 1) / (10 + drafted)."""
        clock = Clock()
        assert clock.pays(0.01, 9, 9), "what was never timed is tried"
        clock._own.extend([1.0])
        clock._turns.extend([10.0])
        assert clock.pays(0.11, 1.0, 0)
        assert not clock.pays(0.09, 1.0, 0)
        assert not clock.pays(0.19, 2.9, 4)
        assert not clock.pays(0.5, 1.0, 0, 1 / 16), "the others' chains are at their ends"

    def test_a_model_as_slow_as_the_turn_never_pays(self) -> None:
        clock = Clock()
        clock._own.extend([1.0])
        clock._turns.extend([0.9])
        assert not clock.pays(1.0, 1.0, 0)


def test_clues_of_the_first_guess(model: Model) -> None:
    assert Chances()(Clue("model", -0.5)) == pytest.approx(0.60653, abs=1e-4)
