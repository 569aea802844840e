"""Evidence, head and contrast in the definition: the cards' worked numbers, and the laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from step_inputs import make_contrast, make_evidence, make_inputs
from torch import Tensor

from tether.decoding import reference
from tether.decoding.blend import blend, score, sound
from tether.decoding.plan import Contrast, Inputs


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def views(*rows: Tensor) -> Tensor:
    return torch.stack(rows)


def scores(inputs: Inputs) -> Tensor:
    log_p = torch.log_softmax(sound(inputs.logits), dim=1)
    allowed = torch.ones_like(log_p, dtype=torch.bool)
    if inputs.mask is not None:
        allowed = reference.unpack(inputs.mask, log_p.shape[1])
    return score(blend(log_p, inputs), log_p, allowed, inputs)


def q(inputs: Inputs) -> Tensor:
    return torch.softmax(scores(inputs), dim=1)


def rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values[0].tolist()]


def allow(*flags: int) -> Tensor:
    return torch.tensor([flags], dtype=torch.bool)


class TestWorkedNumbers:
    """Figures of the method cards, which a separate script computed in numpy."""

    def test_the_whole_order(self) -> None:
        amateur = row(2.5, 0.5, 1, 0, -1)
        plan, inputs = make_inputs(
            row(2, 1.5, 1, 0, -1),
            allow(0, 0, 1, 1, 1),
            contrast=make_contrast(views(amateur), [-0.5], own=0.5),
            evidence=make_evidence(1, added={3: 1.0}),
            alpha=0.1,
        )
        assert rounded(scores(inputs)) == [-torch.inf, -torch.inf, -1.7120, -1.7120, -3.7120]
        assert rounded(q(inputs)) == [0, 0, 0.4683, 0.4683, 0.0634]
        choice = reference.choose(plan, inputs)
        assert choice.measures is not None
        assert float(choice.measures.log_z) == pytest.approx(-1.3623, abs=1e-4)
        assert int(choice.token) in (2, 3)

    EXPERT, AMATEUR = row(3, 2.8, 1, -1, -4), row(3.2, 1, 1, -2, -8)

    def test_contrastive_decoding_as_pure_difference(self) -> None:
        contrast = make_contrast(views(self.AMATEUR), [-1], base=0, own=1)
        _, inputs = make_inputs(self.EXPERT, contrast=contrast, alpha=0.1)
        assert rounded(scores(inputs)) == [-0.4750, 1.5250, -0.2750, -torch.inf, -torch.inf]
        assert rounded(q(inputs)) == [0.1041, 0.7689, 0.1271, 0, 0]

    def test_contrastive_decoding_that_keeps_the_base(self) -> None:
        contrast = make_contrast(views(self.AMATEUR), [-0.5], own=0.5)
        _, inputs = make_inputs(self.EXPERT, contrast=contrast, alpha=0.1)
        assert rounded(scores(inputs)) == [-0.9172, -0.1172, -2.8172, -torch.inf, -torch.inf]
        assert rounded(q(inputs)) == [0.2963, 0.6594, 0.0443, 0, 0]

    def test_without_a_head_garbage_wins(self) -> None:
        contrast = make_contrast(views(self.AMATEUR), [-1], base=0, own=1)
        plan, inputs = make_inputs(self.EXPERT, contrast=contrast)
        assert rounded(scores(inputs)) == [-0.4750, 1.5250, -0.2750, 0.7250, 3.7250]
        assert int(reference.choose(plan, inputs).token) == 4

    def test_the_head_is_taken_inside_the_mask(self) -> None:
        plan, inputs = make_inputs(self.EXPERT, allow(0, 0, 0, 1, 1), alpha=0.1)
        assert rounded(q(inputs)) == [0, 0, 0, 1, 0]
        assert int(reference.choose(plan, inputs).token) == 3

    def test_layers(self) -> None:
        contrast = make_contrast(views(row(0, 2, 0.5, -0.5)), [-1], base=0, own=1)
        _, inputs = make_inputs(row(2, 1, 0, -1), contrast=contrast, alpha=0.1)
        assert rounded(scores(inputs)) == [1.9248, -1.0752, -0.5752, -torch.inf]
        assert rounded(q(inputs)) == [0.8835, 0.0440, 0.0725, 0]

    def test_lower_layers_matter(self) -> None:
        amateur, layer = row(2.2, 1, 0, -2), row(1, 1.4, 0.2, -1)
        amateur_layer, instructed = row(1.2, 1, 0.2, -1), row(1.8, 2.2, 0, -2)
        stacked = views(amateur, layer, amateur_layer, instructed)
        contrast = make_contrast(stacked, [-1, 0.3, -0.3, 0.5], base=0, own=1 - 0.5)
        _, inputs = make_inputs(row(2, 1.8, 0, -2), contrast=contrast, alpha=0.1)
        assert rounded(scores(inputs)) == [-0.5645, 0.9155, -0.2045, -torch.inf]
        assert rounded(q(inputs)) == [0.1465, 0.6435, 0.2100, 0]

    @pytest.mark.parametrize(
        ("strength", "expected"),
        [
            (0.0, [0.2447, 0.6652, 0.0900]),
            (0.5, [0.4498, 0.4498, 0.1004]),
            (1.0, [0.6652, 0.2447, 0.0900]),
        ],
    )
    def test_context_awareness(self, strength: float, expected: list[float]) -> None:
        contrast = make_contrast(views(row(0, 3, 0)), [-strength], own=strength)
        _, inputs = make_inputs(row(1, 2, 0), contrast=contrast)
        assert rounded(q(inputs)) == expected

    def test_proxy_tuning(self) -> None:
        contrast = make_contrast(views(row(2, 0, 0), row(0, 0.5, 0)), [1, -1])
        _, inputs = make_inputs(row(1, 2, 0), contrast=contrast)
        assert rounded(q(inputs)) == [0.7856, 0.1753, 0.0391]

    @pytest.mark.parametrize(
        ("p", "weight", "expected"),
        [
            ((0.98, 0.01, 0.01), 0.0279, [0.9561, 0.0315, 0.0124]),
            ((0.40, 0.35, 0.25), 0.2466, [0.3407, 0.4390, 0.2203]),
        ],
    )
    def test_fusion_by_uncertainty(
        self, p: tuple[float, ...], weight: float, expected: list[float]
    ) -> None:
        """As evidence and as a view: the same mixture."""
        share = weight / (1 + weight)
        second = (0.1, 0.8, 0.1)
        evidence = make_evidence(1, mixed={i: share * p2 for i, p2 in enumerate(second)})
        as_evidence = make_inputs(row(*p).log(), evidence=evidence)[1]
        contrast = make_contrast(views(row(*second).log() + 3), [0])
        contrast = replace(contrast, shares=torch.tensor([[share]], dtype=torch.float64))
        as_view = make_inputs(row(*p).log(), contrast=contrast)[1]
        for inputs in (as_evidence, as_view):
            assert q(inputs)[0].tolist() == pytest.approx(expected, abs=1e-4)

    def test_nearest_neighbours(self) -> None:
        evidence = make_evidence(1, mixed={0: 0.25 * 0.7405, 1: 0.25 * 0.2595})
        p = row(0.1, 0.2, 0.6, 0.1).log()
        assert q(make_inputs(p, evidence=evidence)[1])[0].tolist() == pytest.approx(
            [0.2601, 0.2149, 0.4500, 0.0750], abs=1e-4
        )

    def test_mixtures_come_before_the_mask(self) -> None:
        evidence = make_evidence(1, mixed={0: 0.25 * 0.7405, 1: 0.25 * 0.2595})
        _, inputs = make_inputs(row(0.1, 0.2, 0.6, 0.1).log(), allow(0, 1, 1, 0), evidence=evidence)
        assert rounded(q(inputs)) == [0, 0.3232, 0.6768, 0]

    def test_copying(self) -> None:
        copied = {1: 0.5, 2: 0.2, 3: 0.3}
        evidence = make_evidence(1, mixed={token: 0.3 * p for token, p in copied.items()})
        _, inputs = make_inputs(row(0.4, 0.1, 0.1, 0.3, 0.1).log(), evidence=evidence)
        assert rounded(q(inputs)) == [0.28, 0.22, 0.13, 0.30, 0.07]

    def test_transitions(self) -> None:
        evidence = make_evidence(1, added={3: 1.4213, 4: 1.4213 * 0.0526})
        _, inputs = make_inputs(row(-1, 0, -2, 2, 2.4), evidence=evidence)
        assert q(inputs)[0].tolist() == pytest.approx(
            [0.0084, 0.0227, 0.0031, 0.6958, 0.2700], abs=1e-4
        )


def random_rows(generator: torch.Generator, vocab: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, an amateur's and a mask, 50 rows each."""
    z, amateur = (
        torch.randn(50, vocab, dtype=torch.float64, generator=generator) * 3 for _ in range(2)
    )
    share = torch.rand(50, 1, generator=generator) * 0.9 + 0.1
    allowed = torch.rand(50, vocab, generator=generator) < share
    allowed[torch.arange(50), torch.randint(vocab, (50,), generator=generator)] = True
    return z, amateur, allowed


class TestLaws:
    GENERATOR = torch.Generator().manual_seed(4)

    @pytest.mark.parametrize("vocab", [3, 10, 40])
    @pytest.mark.parametrize("beta", [0.1, 1.0, 2.0])
    def test_mask_before_or_after_the_contrast_is_the_same(self, vocab: int, beta: float) -> None:
        z, amateur, allowed = random_rows(self.GENERATOR, vocab)
        contrast = make_contrast(views(amateur), [-beta], own=beta)
        after = q(make_inputs(z, allowed, contrast=contrast, alpha=0.1)[1])
        shut = torch.full_like(z, -torch.inf)
        inside = make_contrast(views(torch.where(allowed, amateur, shut)), [-beta], own=beta)
        masked = torch.where(allowed, z, shut)
        before = q(make_inputs(masked, allowed, contrast=inside, alpha=0.1)[1])
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0, 2.0])
    def test_the_head_is_never_empty(self, alpha: float) -> None:
        for vocab in (1, 3, 40):
            z, amateur, allowed = random_rows(self.GENERATOR, vocab)
            contrast = make_contrast(views(amateur), [-1], base=0, own=1)
            kept = q(make_inputs(z, allowed, contrast=contrast, alpha=alpha)[1]) > 0
            assert kept.any(dim=1).all()
            assert not (kept & ~allowed).any()

    def test_a_larger_alpha_keeps_fewer(self) -> None:
        z, _, allowed = random_rows(self.GENERATOR, 40)
        narrow, wide = (q(make_inputs(z, allowed, alpha=a)[1]) > 0 for a in (0.5, 0.1))
        assert not (narrow & ~wide).any()
        assert wide.sum() > narrow.sum()

    def test_weights_of_zero_change_no_bit(self) -> None:
        z, amateur, allowed = random_rows(self.GENERATOR, 40)
        contrast = replace(make_contrast(views(amateur, z), [0, 0]), shares=torch.zeros(2, len(z)))
        evidence = make_evidence(len(z), added={1: 0.0, -1: 5.0}, mixed={2: 0.0, -1: 0.5})
        for kind in (torch.float32, torch.float64):
            plain = make_inputs(z.to(kind), allowed, temperature=0.8, top_p=0.9)
            _, with_terms = make_inputs(
                z.to(kind), allowed, temperature=0.8, top_p=0.9, alpha=0.0,
                contrast=contrast, evidence=evidence,
            )  # fmt: skip
            assert torch.equal(scores(plain[1]), scores(with_terms))
            want, got = reference.choose(*plain), reference.choose(plain[0], with_terms)
            assert torch.equal(want.token, got.token)
            assert want.margin is not None
            assert torch.equal(want.margin, got.margin)  # type: ignore[arg-type]

    def test_a_row_does_not_feel_the_terms_of_another(self) -> None:
        z, amateur, allowed = random_rows(self.GENERATOR, 40)
        mixed = make_contrast(views(amateur), [-1], own=1)
        weights, own = mixed.weights.clone(), mixed.own.clone()
        weights[:, ::2], own[::2] = 0, 0
        mixed = replace(mixed, weights=weights, own=own)
        together = scores(make_inputs(z, allowed, contrast=mixed)[1])
        alone = scores(make_inputs(z[::2], allowed[::2])[1])
        assert torch.equal(together[::2], alone)
        assert not torch.equal(together[1::2], scores(make_inputs(z[1::2], allowed[1::2])[1]))

    def test_an_amateur_as_good_as_the_model_changes_nothing(self) -> None:
        z, _, allowed = random_rows(self.GENERATOR, 40)
        same = make_contrast(views(z), [-1.5], own=1.5)
        got = q(make_inputs(z, allowed, contrast=same)[1])
        torch.testing.assert_close(got, q(make_inputs(z, allowed)[1]))

    def test_a_pure_difference_with_itself_is_uniform_over_the_head(self) -> None:
        z, _, allowed = random_rows(self.GENERATOR, 40)
        same = make_contrast(views(z), [-1], base=0, own=1)
        got = q(make_inputs(z, allowed, contrast=same, alpha=0.1)[1])
        head = q(make_inputs(z, allowed, alpha=0.1)[1]) > 0
        torch.testing.assert_close(got, head / head.sum(dim=1, keepdim=True).double())

    def test_shifts_change_nothing(self) -> None:
        z, amateur, allowed = random_rows(self.GENERATOR, 40)
        evidence = make_evidence(len(z), added={1: 2.0}, mixed={3: 0.2})

        def of(model: Tensor, view: Tensor) -> Tensor:
            contrast = make_contrast(views(view), [-1], own=1)
            return q(
                make_inputs(model, allowed, contrast=contrast, evidence=evidence, alpha=0.05)[1]
            )

        torch.testing.assert_close(of(z + 50, amateur - 70), of(z, amateur))

    def test_evidence_never_helps_a_masked_token(self) -> None:
        z, _, allowed = random_rows(self.GENERATOR, 40)
        evidence = make_evidence(len(z), added={5: 100.0}, mixed={6: 0.9})
        got = q(make_inputs(z, allowed, evidence=evidence)[1])
        assert (got[~allowed] == 0).all()
        torch.testing.assert_close(got.sum(dim=1), torch.ones(50, dtype=torch.float64))

    def test_mixing_costs_a_token_at_most_its_share(self) -> None:
        """The bound -log(1 - lambda) per token, whatever the evidence says."""
        z, _, _ = random_rows(self.GENERATOR, 40)
        got = scores(make_inputs(z, evidence=make_evidence(50, mixed={6: 0.25}))[1])
        lost = torch.log_softmax(z, dim=1) - got
        assert float(lost.max()) == pytest.approx(0.2877, abs=1e-4)

    def test_a_share_of_one_hands_the_decision_over(self) -> None:
        z, other, allowed = random_rows(self.GENERATOR, 40)
        contrast = replace(make_contrast(views(other), [0]), shares=torch.ones(1, 50))
        got = q(make_inputs(z, allowed, contrast=contrast)[1])
        torch.testing.assert_close(got, q(make_inputs(other, allowed)[1]))

    def test_evidence_counts_once_however_strong_the_contrast(self) -> None:
        z, amateur, _ = random_rows(self.GENERATOR, 40)
        contrast = make_contrast(views(amateur), [-2], own=2)
        evidence = make_evidence(50, added={3: 0.7})
        with_it = scores(make_inputs(z, contrast=contrast, evidence=evidence)[1])
        without = scores(make_inputs(z, contrast=contrast)[1])
        torch.testing.assert_close(with_it[:, 3] - without[:, 3], torch.full((50,), 0.7).double())


class TestViews:
    def test_what_an_amateur_does_not_know_is_no_recommendation(self) -> None:
        amateur = row(1, 0, -torch.inf)
        contrast = make_contrast(views(amateur), [-1], own=1)
        _, inputs = make_inputs(row(1, 0, 0), contrast=contrast)
        gained = scores(inputs) - torch.log_softmax(inputs.logits, dim=1)
        assert float(gained[0, 2]) == pytest.approx(30 - 1.5514, abs=1e-3)

    def small(self, size: int, filler: float) -> Contrast:
        view = row(0, 3, filler, filler)
        return replace(make_contrast(views(view), [-1], own=1), sizes=torch.tensor([size]))

    def test_a_smaller_vocabulary_is_compared_on_what_both_have(self) -> None:
        z = row(1, 2, 0, -1)
        got = scores(make_inputs(z, contrast=self.small(2, 99.0))[1])
        log_p = torch.log_softmax(z, dim=1)
        theirs = torch.log_softmax(row(0, 3), dim=1)
        torch.testing.assert_close(got[:, :2], 2 * log_p[:, :2] - theirs)
        torch.testing.assert_close(got[:, 2:], log_p[:, 2:])

    def test_a_missing_column_has_no_share(self) -> None:
        contrast = replace(self.small(2, 99.0), shares=torch.tensor([[1.0]]))
        contrast = replace(contrast, weights=torch.zeros(1, 1), own=torch.zeros(1))
        got = q(make_inputs(row(1, 2, 0, -1), contrast=contrast)[1])
        torch.testing.assert_close(got[:, :2], torch.softmax(row(0, 3), dim=1))
        assert float(got[0, 2:].max()) == 0


class TestHostileNumbers:
    """Whatever a model says, the token is an allowed one."""

    @pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan, 1e308])
    @pytest.mark.parametrize("temperature", [0.0, 1.0, 1e-30])
    def test_the_mask_holds(self, bad: float, temperature: float) -> None:
        allowed = allow(0, 0, 1, 1, 0)
        for tokens in ([0], [2], [3], [2, 3], [0, 1, 2, 3, 4]):
            logits = row(2, 1, 0.5, 0, -1)
            logits[0, tokens] = bad
            for kind in (torch.float32, torch.float64, torch.bfloat16):
                plan, inputs = make_inputs(
                    logits.to(kind), allowed, temperature=temperature, top_p=0.9, alpha=0.1,
                    contrast=make_contrast(views(logits.to(kind)), [-1], own=1),
                )  # fmt: skip
                assert int(reference.choose(plan, inputs).token) in (2, 3)

    def test_a_token_without_probability_is_not_chosen_beside_one_that_has_some(self) -> None:
        logits = row(-torch.inf, 5, -3)
        for temperature in (0.0, 1.0):
            plan, inputs = make_inputs(logits, allow(1, 0, 1), temperature=temperature)
            assert int(reference.choose(plan, inputs).token) == 2

    def test_one_allowed_token_is_certain(self) -> None:
        plan, inputs = make_inputs(row(2, 1, 0), allow(0, 0, 1), temperature=1, typical_p=0.5)
        choice = reference.choose(plan, inputs)
        assert choice.measures is not None
        assert int(choice.token) == 2
        assert float(choice.measures.entropy) == 0
        assert float(choice.measures.log_q) == pytest.approx(0, abs=1e-12)
