"""The step: worked numbers of the definition, and every fast path equal to it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from step_inputs import SETTINGS, make_inputs
from torch import Tensor

from tether.decoding import reference, step
from tether.decoding.noise import gumbel, row_state
from tether.decoding.plan import Inputs, Plan

FIELDS = ("log_q", "log_p", "log_z", "entropy")


def kept(plan: Plan, inputs: Inputs) -> list[float]:
    shaped = reference.shape(plan, inputs.logits, inputs)
    return [round(p, 4) for p in torch.softmax(shaped, dim=1)[0].tolist()]


class TestWorkedNumbers:
    LOGITS = torch.tensor([[2, 1, 0.5, 0, -1]], dtype=torch.float64)

    def test_truncation_after_temperature(self) -> None:
        got = kept(*make_inputs(self.LOGITS, temperature=2, top_p=0.8))
        assert got == [0.4087, 0.2479, 0.1931, 0.1504, 0]

    def test_truncation_before_temperature(self) -> None:
        got = kept(*make_inputs(self.LOGITS, temperature=2, top_p=0.8, early=True))
        assert got == [0.4810, 0.2918, 0.2272, 0, 0]

    def test_min_p_depends_on_the_order(self) -> None:
        late = kept(*make_inputs(self.LOGITS, temperature=2, min_p=0.2))
        early = kept(*make_inputs(self.LOGITS, temperature=2, min_p=0.2, early=True))
        assert sum(p > 0 for p in late) == 5
        assert sum(p > 0 for p in early) == 3

    def test_typical_may_refuse_the_best_token(self) -> None:
        """Distances from the entropy 1.2065: .632, .368, .868, 1.368, 2.368."""
        few = kept(*make_inputs(self.LOGITS, temperature=1, typical_p=0.2))
        more = kept(*make_inputs(self.LOGITS, temperature=1, typical_p=0.3))
        assert few == [0, 1, 0, 0, 0]
        assert [p > 0 for p in more] == [True, True, False, False, False]

    def test_typical_keeps_equally_typical_tokens_together(self) -> None:
        level = torch.zeros(1, 4, dtype=torch.float64)
        assert kept(*make_inputs(level, temperature=1, typical_p=0.1)) == [0.25] * 4

    def test_mask_comes_before_truncation(self) -> None:
        """Truncating first would leave nothing: tokens 3 and 4 are not among the best two."""
        allowed = torch.tensor([[False, False, False, True, True]])
        for position in range(20):
            plan, inputs = make_inputs(
                self.LOGITS, allowed, temperature=1, top_k=2, position=position
            )
            assert int(reference.choose(plan, inputs).token) in (3, 4)

    def test_mass_on_the_mask(self) -> None:
        logits = torch.tensor([[2, 1.5, 1, 0, -1]], dtype=torch.float64)
        allowed = torch.tensor([[False, False, True, True, True]])
        choice = reference.choose(*make_inputs(logits, allowed))
        assert choice.measures is not None
        assert float(choice.measures.log_z) == pytest.approx(-1.3623, abs=1e-4)
        assert int(choice.token) == 2

    def test_penalty_ignores_a_shift_of_the_logits(self) -> None:
        plan, inputs = make_inputs(self.LOGITS)
        inputs = replace(inputs, seen=torch.tensor([[0, -1]]), penalty=torch.tensor([3.0]))
        shifted = replace(inputs, logits=inputs.logits + 100)
        assert int(reference.choose(plan, inputs).token) == 1
        assert int(reference.choose(plan, shifted).token) == 1

    def test_greedy_ties_go_to_the_lowest_id(self) -> None:
        logits = torch.tensor([[0.0, 3.0, 3.0, 1.0]])
        for module in (reference, step):
            choice = module.choose(*make_inputs(logits))
            assert int(choice.token) == 1
            assert choice.margin is not None
            assert float(choice.margin) == 0


def same(got: Tensor | None, want: Tensor | None) -> None:
    assert got is not None
    assert want is not None
    torch.testing.assert_close(got.double(), want.double())


@pytest.mark.parametrize("density", [None, 0.001, 0.3])
@pytest.mark.parametrize("vocab", [50, 2048, 9000])
def test_step_equals_reference(vocab: int, density: float | None) -> None:
    generator = torch.Generator().manual_seed(vocab)
    for number, (settings, extras) in enumerate(itertools.product(SETTINGS, (False, True))):
        logits = torch.randn(5, vocab, dtype=torch.float64, generator=generator) * 3
        allowed = None
        if density is not None:
            allowed = torch.rand(5, vocab, generator=generator) < density
            allowed[:, 7] = True
        plan, inputs = make_inputs(logits, allowed, position=number, **settings)  # type: ignore[arg-type]
        if extras:
            ids = torch.randint(-1, vocab, (5, 6), generator=generator)
            bias = torch.randn(5, 6, generator=generator)
            inputs = replace(inputs, seen=ids, penalty=torch.full((5,), 1.3))
            inputs = replace(inputs, bias_ids=ids.flip(1), bias=bias)
        want, got = reference.choose(plan, inputs), step.choose(plan, inputs)
        brief = step.choose(replace(plan, measured=False), inputs)
        assert brief.measures is None
        assert got.token.tolist() == brief.token.tolist() == want.token.tolist()
        for choice in (got, brief):
            same(choice.margin, want.margin)
        for name in FIELDS:
            same(getattr(got.measures, name), getattr(want.measures, name))


def test_float32_logits_choose_as_float64() -> None:
    logits = torch.randn(64, 500, generator=torch.Generator().manual_seed(1)) * 4
    plan, inputs = make_inputs(logits, temperature=0.8, top_p=0.95)
    exact = reference.choose(plan, replace(inputs, logits=logits.double()))
    assert step.choose(plan, inputs).token.tolist() == exact.token.tolist()


class TestNoise:
    def test_draws_follow_the_distribution(self) -> None:
        """Chi-square over 20,000 keyed draws from five tokens."""
        p = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03], dtype=torch.float64)
        draws = 20_000
        states = torch.tensor([row_state(1, "row", position) for position in range(draws)])
        noise = gumbel(states, torch.arange(5)[None, :], torch.float64)
        counts = torch.bincount((p.log() + noise).argmax(dim=1), minlength=5).double()
        statistic = float(((counts - draws * p) ** 2 / (draws * p)).sum())
        assert statistic < 18.47  # 99.9 % quantile, 4 degrees of freedom

    def test_depends_on_seed_key_position_and_token_only(self) -> None:
        states = {row_state(*key) for key in itertools.product((1, 2), ("a", "b"), (0, 1))}
        assert len(states) == 8
        tokens = torch.arange(100)[None, :]
        alone = gumbel(torch.tensor([row_state(1, "a", 0)]), tokens)
        beside = gumbel(torch.tensor([row_state(2, "b", 1), row_state(1, "a", 0)]), tokens)
        assert torch.equal(alone[0], beside[1])
        picked = gumbel(torch.tensor([row_state(1, "a", 0)]), tokens[:, 40:50])
        assert torch.equal(picked[0], alone[0, 40:50])

    def test_is_always_finite(self) -> None:
        noise = gumbel(torch.tensor([-1, 0, 1]), torch.arange(300_000)[None, :])
        assert torch.isfinite(noise).all()
