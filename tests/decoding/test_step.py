"""The step: worked numbers of the definition, and every fast path equal to it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tether.decoding import reference, step
from tether.decoding.noise import gumbel, row_state
from tether.decoding.plan import Inputs, Plan

FIELDS = ("log_q", "log_p", "log_z", "entropy")


def pack(allowed: Tensor) -> Tensor:
    """bool [rows, vocab] -> int32 [rows, words]."""
    rows, vocab = allowed.shape
    padded = torch.cat((allowed, torch.zeros(rows, -vocab % 32, dtype=torch.bool)), dim=1)
    words = (padded.view(rows, -1, 32).long() << torch.arange(32)).sum(dim=2)
    return torch.where(words >= 2**31, words - 2**32, words).int()


def make_inputs(
    logits: Tensor,
    allowed: Tensor | None = None,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    early: bool = False,
    position: int = 0,
) -> tuple[Plan, Inputs]:
    rows = logits.shape[0]
    inputs = Inputs(
        logits=logits,
        mask=None if allowed is None else pack(allowed),
        noise=torch.tensor([row_state(7, str(row), position) for row in range(rows)]),
        temperature=torch.full((rows,), temperature),
        early=torch.full((rows,), early),
        top_k=torch.full((rows,), top_k),
        top_p=torch.full((rows,), top_p),
        min_p=torch.full((rows,), min_p),
        penalty=torch.ones(rows),
    )
    return Plan(temperature > 0, top_k > 0 or top_p < 1 or min_p > 0), inputs


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
            assert float(choice.margin) == 0


SETTINGS: list[dict[str, float]] = [
    {},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.3, "top_p": 0.9},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 2.0, "min_p": 0.2},
    {"temperature": 1.0, "top_p": 0.999},
    {"temperature": 3.0, "top_p": 0.9999, "early": True},
]


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
            torch.testing.assert_close(choice.margin.double(), want.margin.double())
        for name in FIELDS:
            torch.testing.assert_close(
                getattr(got.measures, name).double(),
                getattr(want.measures, name).double(),
                msg=f"{name} differs at {settings}",
            )


def test_both_routes_are_taken() -> None:
    logits = torch.zeros(2, 640)
    sparse = torch.zeros(2, 640, dtype=torch.bool)
    sparse[:, :3] = True
    assert step.route_for_testing(make_inputs(logits, sparse)[1]) == "gather"
    assert step.route_for_testing(make_inputs(logits, ~sparse)[1]) == "dense"
    assert step.route_for_testing(make_inputs(logits)[1]) == "dense"


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
