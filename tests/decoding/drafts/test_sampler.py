"""Draws for rules, and turns under them: the law of what is said, by exact enumeration."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from scripted import Script, outcomes
from step_inputs import make_inputs
from torch import Tensor

from tether.decoding import reference
from tether.decoding.drafts.draft import Draft, Spot
from tether.decoding.drafts.model_sample import Sampler
from tether.decoding.drafts.rules_law import is_ruled, laws
from tether.decoding.drafts.rules_walk import Drawn, reads, walk
from tether.decoding.request import DraftRule, Request, Sampling
from tether.grammars.constraint import Mask

RULES: tuple[DraftRule, ...] = ("token", "block", "paths", "rsd")
END = 3  # never drafted


def table(seed: int, text: Sequence[int], vocab: int = 4) -> Tensor:
    """A distribution after each text, float64 [vocab]."""
    source = torch.Generator().manual_seed(hash((seed, *text)) % 2**31)
    weights = torch.rand(vocab, generator=source).double() ** 2 + 0.02
    return weights / weights.sum()


def scripted(rule: DraftRule, script: Script) -> tuple[int, ...]:
    """A turn whose draws are scripted."""
    with patch.object(Drawn, "choose", lambda self, chances, purpose: script.choose(chances)):
        return turn(rule, 0)


def turn(rule: DraftRule, seed: int, turn: int = 0) -> tuple[int, ...]:
    """What a row says in one turn, up to two tokens; the last by the model's own choice."""
    request = Request("row", (9,), sampling=Sampling(temperature=1.0, seed=seed), draft_rule=rule)

    def scores(drafted: Sequence[int], mask: Mask | None) -> Tensor:
        return table(1, drafted).log()

    sampler = Sampler(Spot("row", request, [9]), scores, [END], turn)
    drawn = sampler.sample(rule, {"paths": 4, "rsd": 6}.get(rule, 2))
    tree = sampler.draft()
    texts = [()] + [tuple(tree.tokens[n] for n in tree.path(node)) for node in range(len(tree))]
    p = torch.stack([table(2, text) for text in texts])
    said = walk(drawn, reads(tree, p, drawn.whole))
    return tuple(said)


def law(said: dict[tuple[int, ...], float]) -> dict[tuple[int, ...], float]:
    """Of the first two tokens, where the model goes on by itself."""
    whole: dict[tuple[int, ...], float] = defaultdict(float)
    for text, mass in said.items():
        for rest in itertools.product(range(4), repeat=max(0, 2 - len(text))):
            longer, share = (*text, *rest), mass
            for place in range(len(text), len(longer)):
                share *= float(table(2, longer[:place])[longer[place]])
            whole[longer[:2]] += share
    return whole


@pytest.mark.parametrize("rule", ["token", "block", "paths"])
def test_what_a_turn_says_follows_the_model(rule: DraftRule) -> None:
    said: dict[tuple[int, ...], float] = defaultdict(float)
    for text, mass in outcomes(lambda script: scripted(rule, script)):
        said[text] += mass
    assert sum(said.values()) == pytest.approx(1)
    assert any(len(text) > 1 for text in said)
    whole = law(said)
    for text in itertools.product(range(4), repeat=2):
        wanted = float(table(2, ())[text[0]] * table(2, text[:1])[text[1]])
        assert whole[text] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_draws_by_noise_follow_it_too(rule: DraftRule) -> None:
    """Chi-square of the first token over rows, and over the turns of one row."""
    for runs in (
        [turn(rule, seed) for seed in range(500)],
        [turn(rule, 5, number) for number in range(500)],
    ):
        counts = Counter(text[0] for text in runs if text)
        own = len(runs) - sum(counts.values())
        assert own == 0, "a first place is always drawn for"
        wanted = table(2, ()) * len(runs)
        statistic = sum((counts[t] - float(w)) ** 2 / float(w) for t, w in enumerate(wanted))
        assert statistic < 16.27  # 99.9 % quantile, 3 degrees of freedom


def test_what_was_not_read_is_judged_all_the_same() -> None:
    """A drawn token without a node is taken or not; only what follows it is not known."""
    drawn = Drawn((0, "k", 0))
    p = torch.tensor([[0.0, 1.0, 0.0]]).double()
    drawn.q[()] = torch.tensor([0.5, 0.5, 0.0]).double()
    drawn.whole = {(): (), (1,): (1,)}
    drawn.candidates[()] = (1,)
    assert walk(drawn, reads(Draft(), p, drawn.whole)) == [1]
    drawn.candidates[()] = (0,)
    assert walk(drawn, reads(Draft(), p, drawn.whole)) == [1], "refused: what q left of p"
    assert walk(drawn, lambda path: None) == []


def test_ids_that_only_the_drafter_has() -> None:
    drawn = Drawn((0, "k", 0))
    drawn.q[()] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]).double()
    drawn.whole, drawn.candidates = {(): ()}, {(): (1,)}
    p = torch.tensor([[0.25, 0.5, 0.25]]).double()
    assert walk(drawn, reads(Draft(), p, drawn.whole))[0] in (0, 1, 2)


class TestLaws:
    def test_they_are_those_of_the_step(self) -> None:
        """Bias, mask, temperature and truncation as in the definition of the step."""
        logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(1)) * 3
        allowed = torch.rand(3, 40, generator=torch.Generator().manual_seed(2)) < 0.7
        sampling = Sampling(temperature=0.8, top_p=0.9, logit_bias={4: 2.0, 7: -1.0})
        plan, inputs = make_inputs(logits, allowed, temperature=0.8, top_p=0.9)
        found = laws(sampling, logits, inputs.mask)
        assert found.dtype == torch.float64
        assert (found[~allowed] == 0).all()
        draws = torch.zeros_like(found)
        for state in range(1500):
            noisy = replace(
                inputs,
                noise=torch.full((3,), state * 1_000_003),
                bias_ids=torch.tensor([[4, 7]] * 3),
                bias=torch.tensor([[2.0, -1.0]] * 3),
            )
            chosen = reference.choose(plan, noisy).token
            draws[torch.arange(3), chosen] += 1 / 1500
        assert float((draws - found).abs().max()) < 0.05

    def test_which_rows_are_ruled(self) -> None:
        warm = Sampling(temperature=0.5)
        assert is_ruled(Request("a", (1,), sampling=warm, draft_rule="block"))
        assert not is_ruled(Request("a", (1,), sampling=warm))
        assert not is_ruled(Request("a", (1,), draft_rule="block")), "greedy"
        bad = Sampling(temperature=0.5, repetition_penalty=1.2)
        assert not is_ruled(Request("a", (1,), sampling=bad, draft_rule="block"))
