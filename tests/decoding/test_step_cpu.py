"""The CPU's step: equal to the definition over random plans, and its parts to plain ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from step_inputs import SETTINGS, make_evidence, make_inputs
from torch import Tensor

from tether.decoding import reference, step
from tether.decoding.cpu.mass import reach
from tether.decoding.cpu.race import draw
from tether.decoding.cpu.tokens import Tokens, bits, listed
from tether.decoding.noise import gumbel, gumbel_of, hashes
from tether.decoding.plan import Contrast, Evidence, Inputs, Measures, Plan

ROWS = 4


def random_terms(inputs: Inputs, draw: torch.Generator) -> Inputs:
    """Terms of many kinds, each there or not; the first row has neutral ones throughout."""
    rows, vocab = inputs.logits.shape

    def chance(p: float) -> bool:
        return bool(torch.rand(1, generator=draw) < p)

    def uniform(*shape: int, scale: float = 1.0) -> Tensor:
        values = torch.rand(*shape, generator=draw) * scale
        values[..., 0] = 0
        return values

    if chance(0.7):
        count = int(torch.randint(1, 4, (1,), generator=draw))
        base, own = torch.ones(rows), uniform(rows) * chance(0.7)
        base[1:] = 0.0 if chance(0.3) else 1.0
        views = torch.randn(count, rows, vocab, generator=draw, dtype=torch.float64) * 4
        contrast = Contrast(
            views=views.to(inputs.logits.dtype),
            weights=(uniform(count, rows, scale=2.0) - uniform(count, rows)) * chance(0.8),
            base=base,
            own=own,
            shares=uniform(count, rows, scale=0.7 / count) if chance(0.5) else None,
            sizes=torch.randint(1, vocab + 1, (count,), generator=draw) if chance(0.5) else None,
        )
        inputs = replace(inputs, contrast=contrast)
    if chance(0.7):
        added_ids, mixed_ids = (
            torch.randint(-1, vocab, (rows, width), generator=draw) for width in (5, 3)
        )
        evidence = Evidence(
            added_ids=added_ids,
            added=uniform(5, rows, scale=6.0).T - 2 * uniform(5, rows).T,
            mixed_ids=mixed_ids,
            mixed=uniform(3, rows, scale=0.1).T * chance(0.6),
        )
        inputs = replace(inputs, evidence=evidence)
    if chance(0.5):
        inputs = replace(inputs, head=uniform(rows, scale=0.2))
    if chance(0.3):
        ids = torch.randint(-1, vocab, (rows, 6), generator=draw)
        penalty = 1 + uniform(rows)
        inputs = replace(inputs, seen=ids, penalty=penalty, bias_ids=ids.flip(1))
        inputs = replace(inputs, bias=torch.randn(rows, 6, generator=draw))
    return inputs


def random_case(number: int, vocab: int, kind: torch.dtype) -> tuple[Plan, Inputs]:
    draw = torch.Generator().manual_seed(number * 100_003 + vocab)
    logits = (torch.randn(ROWS, vocab, generator=draw, dtype=torch.float64) * 3).to(kind)
    density = [None, 0.002, 0.3, 0.95][number % 4]
    allowed = None
    if density is not None:
        allowed = torch.rand(ROWS, vocab, generator=draw) < density
        allowed[:, vocab // 2] = True
    settings = SETTINGS[number % len(SETTINGS)]
    plan, inputs = make_inputs(logits, allowed, position=number, **settings)  # type: ignore[arg-type]
    return plan, random_terms(inputs, draw)


def close(got: Tensor | None, want: Tensor | None, tolerance: float) -> None:
    assert got is not None
    assert want is not None
    torch.testing.assert_close(got.double(), want.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("vocab", [1, 2, 33, 700, 5000, 9001])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_random_plans(vocab: int, kind: torch.dtype) -> None:
    tolerance = 1e-9 if kind == torch.float64 else 2e-4
    for number in range(40):
        plan, inputs = random_case(number, vocab, kind)
        want, got = reference.choose(plan, inputs), step.choose(plan, inputs)
        brief = step.choose(replace(plan, measured=False, margin=False), inputs)
        assert got.token.tolist() == brief.token.tolist() == want.token.tolist(), number
        assert brief.margin is None
        assert brief.measures is None
        close(got.margin, want.margin, tolerance)
        for name in Measures.__slots__:
            # One token more or less at the edge of a nucleus may be the definition's own rounding.
            loose = 5e-3 if name == "log_q" and kind != torch.float64 else tolerance
            close(getattr(got.measures, name), getattr(want.measures, name), loose)


def alone(inputs: Inputs, row: int) -> Inputs:
    """The step of one row of these, with whatever terms it has."""

    def cut(value: object, name: str = "") -> object:
        if isinstance(value, Contrast):
            fields = {field: cut(getattr(value, field), field) for field in Contrast.__slots__}
            return Contrast(**fields)  # type: ignore[arg-type]
        if isinstance(value, Evidence):
            fields = {field: cut(getattr(value, field)) for field in Evidence.__slots__}
            return Evidence(**fields)  # type: ignore[arg-type]
        if not isinstance(value, Tensor) or name == "sizes":
            return value
        return (
            value[:, row : row + 1] if name in ("views", "weights", "shares") else value[row][None]
        )

    fields = {field: cut(getattr(inputs, field)) for field in Inputs.__slots__}
    return Inputs(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("vocab", [700, 9001])
def test_a_row_has_the_same_bits_in_every_batch(vocab: int) -> None:
    for number in range(30):
        plan, inputs = random_case(number, vocab, torch.float32)
        together = step.choose(plan, inputs)
        for row in range(ROWS):
            apart = step.choose(plan, alone(inputs, row))
            assert together.margin is not None
            assert apart.margin is not None
            assert int(apart.token) == int(together.token[row])
            assert float(apart.margin) == float(together.margin[row])


def test_neutral_terms_change_no_bit() -> None:
    for number in range(30):
        plan, inputs = random_case(number, 5000, torch.float32)
        inputs = replace(inputs, seen=None, bias_ids=None)
        plain = replace(inputs, contrast=None, evidence=None, head=None)
        with_terms, without = step.choose(plan, inputs), step.choose(plan, plain)
        assert with_terms.margin is not None
        assert without.margin is not None
        assert int(with_terms.token[0]) == int(without.token[0])  # the first row's are neutral
        assert float(with_terms.margin[0]) == float(without.margin[0])


def test_rows_on_threads_are_the_same() -> None:
    logits = torch.randn(8, 40_000, generator=torch.Generator().manual_seed(5)) * 3
    plan, inputs = make_inputs(logits, temperature=0.9, top_p=0.9)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = step.choose(plan, inputs)
        torch.set_num_threads(3)
        three = step.choose(plan, inputs)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one.token, three.token)
    assert torch.equal(one.margin, three.margin)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan, 3e38])
@pytest.mark.parametrize("vocab", [40, 5000])
def test_the_mask_holds_whatever_the_numbers(bad: float, vocab: int) -> None:
    draw = torch.Generator().manual_seed(3)
    for settings, density in itertools.product(SETTINGS, (0.05, 0.9)):
        allowed = torch.rand(ROWS, vocab, generator=draw) < density
        allowed[:, 7] = True
        logits = torch.randn(ROWS, vocab, generator=draw)
        logits[0, :] = bad
        logits[1, allowed[1]] = bad
        logits[2, ~allowed[2]] = bad
        logits[3, 7] = bad
        plan, inputs = make_inputs(logits, allowed, **settings)  # type: ignore[arg-type]
        for held in (plan, replace(plan, measured=False, margin=False)):
            tokens = step.choose(held, inputs).token
            assert allowed[torch.arange(ROWS), tokens].all()


@pytest.mark.parametrize("against", [-2.0, -40.0, -1e4])
def test_evidence_against_what_is_certain(against: float) -> None:
    """The mass that is left is a small difference: it must not be lost to rounding."""
    logits = torch.zeros(1, 5000, dtype=torch.float64)
    logits[0, 3] = 40.0
    evidence = make_evidence(1, added={3: against}, mixed={8: 0.25})
    plan, inputs = make_inputs(logits, evidence=evidence, temperature=1.0)
    for position in range(20):
        inputs = replace(inputs, noise=torch.tensor([position * 7919]))
        want, got = reference.choose(plan, inputs), step.choose(plan, inputs)
        assert want.measures is not None
        assert got.measures is not None
        assert int(got.token) == int(want.token)
        close(got.measures.log_q, want.measures.log_q, 1e-9)


class TestTokens:
    def test_listing_ignores_bits_past_the_vocabulary(self) -> None:
        words = np.array([0b1010, 0xFFFFFFFF], dtype=np.uint32)
        assert listed(words, 34).tolist() == [1, 3, 32, 33]
        assert Tokens.of(np.zeros(34), words).ids.tolist() == [1, 3, 32, 33]  # type: ignore[union-attr]

    @pytest.mark.parametrize("vocab", [5000, 6407])
    @pytest.mark.parametrize("count", [1, 2, 50, 900])
    def test_top_holds_the_best(self, vocab: int, count: int) -> None:
        generator = np.random.default_rng(vocab)
        for density in (1.0, 0.5, 0.2):
            row = generator.normal(size=vocab).round(2)  # ties
            words = generator.random((vocab + 31) // 32 * 32) < density
            packed = np.packbits(words, bitorder="little").view(np.uint32)
            tokens = Tokens(row, None, packed)
            found = tokens.top(count)
            best = np.sort(row[words[:vocab]])[::-1]
            least = best[: len(found.scores)].min()
            assert found.ids is not None
            assert len(found.scores) >= min(count, len(best))
            assert (np.diff(found.ids) > 0).all()
            assert found.ids.tolist() == [t for t in np.flatnonzero(row >= least) if words[t]]
            assert tokens.best() == best[0]

    def test_few_allowed_tokens_are_listed_and_many_are_not(self) -> None:
        row, words = np.zeros(6400), np.zeros(200, dtype=np.uint32)
        words[3] = 5
        assert Tokens.of(row, words).ids is not None
        assert Tokens.of(row, ~words).ids is None
        assert Tokens.of(row[:640], ~words[:20]).ids is not None  # a short row always is
        assert bits(words, 6400).sum() == 2


class TestMass:
    @pytest.mark.parametrize("count", [1, 10, 600, 20_000])
    def test_reach_is_where_a_sorted_sum_crosses(self, count: int) -> None:
        generator = np.random.default_rng(count)
        for spread, share in itertools.product((0.1, 1, 6), (0.01, 0.5, 0.9, 0.999, 1.0)):
            keys = (generator.normal(size=count) * spread).round(3)  # ties
            masses = np.exp(keys) * (generator.random(count) < 0.7)
            masses[0] = 1.0
            order = np.argsort(-keys)
            sums = np.cumsum(masses[order])
            crossing = int(np.argmax(sums >= share * sums[-1] * (1 - 1e-12)))
            found = reach(keys, masses, share * float(masses.sum()) * (1 - 1e-12))
            assert found == keys[order[crossing]]

    def test_a_nucleus_is_never_empty(self) -> None:
        for count, share in itertools.product((1, 7, 5003), (1e-12, 1e-6)):
            logits = torch.full((1, count), 3.7)
            plan, inputs = make_inputs(logits, temperature=1.0, top_p=share)
            want, got = reference.choose(plan, inputs), step.choose(plan, inputs)
            assert int(got.token) == int(want.token)  # equal scores are kept together: all

    def test_equal_keys_are_one(self) -> None:
        assert reach(np.ones(5000), np.ones(5000), 2500.0) == 1.0


class TestRace:
    def test_noise_is_the_same_in_numpy(self) -> None:
        ids = np.arange(70_000)
        for state in (-1, 0, 1, 2**63 - 1, -(2**62) + 12345):
            ours = gumbel_of(hashes(state, ids), np.dtype(np.float64))
            theirs = gumbel(torch.tensor([state]), torch.from_numpy(ids)[None], torch.float64)
            np.testing.assert_allclose(ours, theirs[0].numpy(), rtol=1e-12)

    @np.errstate(all="ignore")  # as the step itself runs
    @pytest.mark.parametrize("spread", [0.0, 1.0, 3.0, 30.0, 3000.0])
    def test_the_winner_is_that_of_all_noise(self, spread: float) -> None:
        generator = np.random.default_rng(1)
        words = generator.integers(0, 2**32, size=200, dtype=np.uint32)
        for state in range(40):
            row = generator.normal(size=6400) * spread
            if spread == 3000.0:
                row[11] += 1e5  # the others arrive too late to be told from never
            noisy = row / 0.7 + gumbel_of(hashes(state, np.arange(6400)), row.dtype)
            for mask in (None, words):
                masked = noisy if mask is None else np.where(bits(mask, 6400), noisy, -np.inf)
                token, margin = draw(Tokens(row, None, mask), 0.7, state)
                first, second = np.sort(masked)[::-1][:2]
                assert token == int(masked.argmax())
                assert math.isclose(margin, first - second, rel_tol=1e-9, abs_tol=1e-9)


def test_which_steps_are_done_all_rows_at_once() -> None:
    logits = torch.zeros(2, 640)
    plan, inputs = make_inputs(logits)
    plan = replace(plan, measured=False)
    route = step.route_for_testing
    assert route(plan, inputs) == "together"
    assert route(replace(plan, measured=True), inputs) == "rows"
    assert route(*make_inputs(logits, temperature=1.0)) == "rows"
    assert route(plan, replace(inputs, logits=torch.zeros(64, 2048))) == "rows"
    assert route(plan, replace(inputs, logits=logits.half())) == "rows"
    assert route(plan, replace(inputs, head=torch.zeros(2))) == "rows"
    assert route(plan, replace(inputs, logits=logits.to("meta"))) == "reference"
