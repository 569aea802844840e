"""The kernels choose as the definition does: on a GPU, or in Triton's interpreter without one.

Logits of every type are widened to float32 exactly, so one tolerance holds for all: the definition
computes in float64 here, and two scores nearer than MARGIN may be told apart differently.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from step_inputs import SETTINGS, make_contrast, make_evidence, make_inputs
from torch import Tensor

from tether.decoding import kernels, noise, reference, step
from tether.decoding.plan import Choice, Contrast, Evidence, Inputs, Plan

pytest.importorskip("triton", reason="kernels need Triton, which has wheels for Linux")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MARGIN = 1e-4  # of scores of up to some 30 nats, in float32
CLOSE: dict[str, Any] = {"rtol": 1e-6, "atol": 3e-5}
TILE = 4096  # tokens

pytestmark = [
    pytest.mark.skipif(
        DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
        reason="there is no GPU, and TRITON_INTERPRET=1 does not ask for the interpreter",
    ),
    # NumPy, in the interpreter, warns where a GPU computes a NaN that nobody looks at.
    pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]


def on(device: str, value: Any) -> Any:
    """The value with all its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Contrast | Evidence | Inputs):
        return replace(value, **{f: on(device, getattr(value, f)) for f in value.__slots__})
    return value


def launch(plan: Plan, inputs: Inputs) -> Choice:
    choice = kernels.choose(plan, on(DEVICE, inputs))
    measures = choice.measures
    if measures is not None:
        measures = replace(measures, **{f: getattr(measures, f).cpu() for f in measures.__slots__})
    return Choice(choice.token.cpu(), margin(choice).cpu(), measures)


def margin(choice: Choice) -> Tensor:
    assert choice.margin is not None
    return choice.margin


def assert_same(plan: Plan, inputs: Inputs) -> Choice:
    """The kernels' choice, held against the definition in float64."""
    got = launch(plan, inputs)
    want = reference.choose(plan, replace(inputs, logits=inputs.logits.double()))
    decided = (margin(want) > MARGIN) | (margin(want) == 0)
    assert decided.any()
    assert got.token[decided].tolist() == want.token[decided].tolist()
    torch.testing.assert_close(margin(got)[decided].double(), margin(want)[decided], **CLOSE)
    if not plan.measured:
        assert got.measures is None
        return got
    for name in ("log_p", "log_z", "entropy", "log_q"):
        ours, theirs = getattr(got.measures, name).double(), getattr(want.measures, name)
        # A token whose mass is lost in rounding may stand on either side of a cut.
        close = {**CLOSE, "atol": 3e-4} if name == "log_q" and plan.truncated else CLOSE
        torch.testing.assert_close(ours[decided], theirs[decided], **close, msg=f"{name}: {ours}")
    return got


def random_logits(rows: int, vocab: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


def random_mask(rows: int, vocab: int, density: float) -> Tensor:
    draw = torch.Generator().manual_seed(vocab)
    allowed = torch.rand(rows, vocab, generator=draw) < density
    allowed[:, vocab - 1] = True  # never empty; the last token shares its word with no token
    return allowed


def together(settings: list[dict[str, float]], logits: Tensor, allowed: Tensor | None) -> Any:
    """One step whose rows have different settings."""
    each = [make_inputs(logits[:1], None, **row) for row in settings]  # type: ignore[arg-type]
    plans, parts = zip(*each, strict=True)
    _, inputs = make_inputs(logits, allowed)
    names = ("temperature", "early", "top_k", "top_p", "min_p", "typical_p")
    columns: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in names
    }
    flags = ("sampled", "top_k", "top_p", "min_p", "typical_p")
    plan = Plan(**{flag: any(getattr(plan, flag) for plan in plans) for flag in flags})
    return plan, replace(inputs, **columns)


class TestEqualsTheDefinition:
    @pytest.mark.parametrize("density", [None, 0.3, 0.0005])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_greedy_beside_sampled(self, dtype: torch.dtype, density: float | None) -> None:
        vocab = TILE + 905
        logits = random_logits(3, vocab).to(dtype)
        allowed = None if density is None else random_mask(3, vocab, density)
        settings = [{}, {"temperature": 1.0}, {"temperature": 0.01}]
        plan, inputs = together(settings, logits, allowed)
        measured = assert_same(plan, inputs)
        brief = assert_same(replace(plan, measured=False), inputs)
        assert torch.equal(measured.token, brief.token)
        assert torch.equal(margin(measured), margin(brief))

    @pytest.mark.parametrize(("vocab", "density"), [(1003, None), (TILE + 33, 0.3)])
    def test_truncation(self, vocab: int, density: float | None) -> None:
        """Every setting, in the rows of one batch, where those beside it are searched or not."""
        logits = random_logits(len(SETTINGS), vocab)
        allowed = None if density is None else random_mask(len(SETTINGS), vocab, density)
        assert_same(*together(SETTINGS, logits, allowed))

    @pytest.mark.parametrize("settings", [{"top_k": 5}, {"top_p": 0.5}, {"typical_p": 0.4}])
    def test_equal_scores_share_their_fate(self, settings: dict[str, float]) -> None:
        logits = random_logits(2, 500).round()
        logits[1] = 0
        assert_same(*make_inputs(logits, temperature=0.9, **settings))  # type: ignore[arg-type]

    @pytest.mark.parametrize("alpha", [None, 0.05])
    @pytest.mark.parametrize("extras", ["views", "evidence", "shares", "all"])
    def test_terms(self, extras: str, alpha: float | None) -> None:
        rows, vocab = 2, TILE + 77
        plan, inputs = make_inputs(
            random_logits(rows, vocab),
            random_mask(rows, vocab, 0.3),
            temperature=0.8 if alpha is None else 0.0,
            alpha=alpha,
            contrast=None if extras == "evidence" else self.contrast(rows, vocab, extras),
            evidence=self.evidence(rows, vocab) if extras in ("evidence", "all") else None,
        )
        if extras == "all":
            inputs = self.reweighed(inputs)
        assert_same(plan, inputs)

    @staticmethod
    def contrast(rows: int, vocab: int, extras: str) -> Contrast:
        views = torch.stack([random_logits(rows, vocab, seed) for seed in (1, 2)]) * 4
        contrast = make_contrast(views, [-0.7, 0.2], base=0.9, own=0.5)
        if extras == "views":
            return contrast
        sizes = torch.tensor([vocab - 500, vocab])
        return replace(contrast, shares=torch.tensor([[0.1, 0.0], [0.3, 0.0]]), sizes=sizes)

    @staticmethod
    def evidence(rows: int, vocab: int) -> Evidence:
        """Ids repeat, and lie in both tiles; the last row has no mixture."""
        added = {5: 2.0, 6: -3.0, TILE + 1: 4.0, vocab - 1: 6.0}
        evidence = make_evidence(rows, added, {6: 0.1, 7: 0.05, vocab - 1: 0.1})
        mixed_ids = torch.cat((evidence.mixed_ids, evidence.mixed_ids[:, :1]), dim=1)
        mixed_ids[-1] = -1
        mixed = torch.cat((evidence.mixed, evidence.mixed[:, :1]), dim=1)
        return replace(evidence, mixed_ids=mixed_ids, mixed=mixed)

    @staticmethod
    def reweighed(inputs: Inputs) -> Inputs:
        draw = torch.Generator().manual_seed(3)
        rows, vocab = inputs.logits.shape
        ids = torch.randint(-1, vocab, (rows, 400), generator=draw)
        bias = torch.randn(rows, 9, generator=draw) * 5
        penalty = torch.full((rows,), 1.3)
        return replace(inputs, seen=ids, penalty=penalty, bias_ids=ids[:, :9], bias=bias)

    def test_a_head_alone_needs_no_sums(self) -> None:
        plan, inputs = make_inputs(random_logits(2, 1000), temperature=2.0, alpha=0.3)
        assert_same(replace(plan, measured=False), inputs)

    def test_the_whole_order_with_truncation(self) -> None:
        rows, vocab = 1, 700
        plan, inputs = make_inputs(
            random_logits(rows, vocab), temperature=1.2, top_p=0.9, alpha=0.001,
            contrast=self.contrast(rows, vocab, "views"),
        )  # fmt: skip
        assert_same(plan, self.reweighed(inputs))


class TestLimits:
    def test_one_allowed_token(self) -> None:
        choice = assert_same(*make_inputs(random_logits(2, 1000), random_mask(2, 1000, 0.0)))
        assert choice.token.tolist() == [999, 999]
        assert margin(choice).tolist() == [torch.inf, torch.inf]

    def test_logits_that_are_not_numbers(self) -> None:
        logits = random_logits(3, 100)
        logits[0, :50] = -torch.inf
        logits[1, 7] = torch.inf
        logits[2, ::2] = torch.nan
        assert_same(*make_inputs(logits, temperature=0.7))

    def test_the_lowest_temperatures_are_greedy(self) -> None:
        logits = random_logits(2, 3000)
        for low in (1e-9, 1e-45):
            choice = launch(*make_inputs(logits, temperature=low))
            assert torch.equal(choice.token, logits.argmax(dim=1))

    def test_a_large_vocabulary(self) -> None:
        logits, allowed = random_logits(1, 262_144), torch.zeros(1, 262_144, dtype=torch.bool)
        allowed[:, [3, 70_000, 200_001, 262_143]] = True
        plan, inputs = make_inputs(logits, allowed, temperature=5.0)
        assert_same(replace(plan, measured=False), inputs)

    def test_ties_go_to_the_lowest_id(self) -> None:
        logits = torch.zeros(1, TILE + 100)
        logits[0, [TILE - 1, TILE, TILE + 50]] = 1
        choice = assert_same(*make_inputs(logits))
        assert (choice.token.item(), margin(choice).item()) == (TILE - 1, 0)


class TestLaws:
    def test_a_row_comes_out_alone_as_beside_others(self) -> None:
        """Bit for bit; the first row has no contrast, which its neighbours do."""
        rows, vocab = 3, TILE + 200
        contrast = TestEqualsTheDefinition.contrast(rows, vocab, "views")
        weights = contrast.weights.clone()
        base, own = contrast.base.clone(), contrast.own.clone()
        weights[:, 0], base[0], own[0] = 0, 1, 0
        contrast = replace(contrast, weights=weights, base=base, own=own)
        allowed = random_mask(rows, vocab, 0.3)
        plan, inputs = make_inputs(
            random_logits(rows, vocab), allowed, temperature=0.9, contrast=contrast
        )
        plan = replace(plan, measured=False)
        beside = launch(plan, inputs)
        for row in range(rows):
            alone = launch(plan, self.only(row, inputs))
            assert torch.equal(alone.token, beside.token[row : row + 1])
            assert torch.equal(margin(alone), margin(beside)[row : row + 1])
        without = launch(plan, replace(self.only(0, inputs), contrast=None))
        assert torch.equal(margin(without), margin(beside)[:1])

    @staticmethod
    def only(row: int, inputs: Inputs) -> Inputs:
        """The step of one row."""
        kept = slice(row, row + 1)
        assert inputs.contrast is not None
        contrast = replace(
            inputs.contrast,
            views=inputs.contrast.views[:, kept],
            weights=inputs.contrast.weights[:, kept],
            base=inputs.contrast.base[kept],
            own=inputs.contrast.own[kept],
        )
        values = {f: getattr(inputs, f) for f in inputs.__slots__}
        tensors: dict[str, Any] = {
            f: value[kept] for f, value in values.items() if isinstance(value, Tensor)
        }
        return replace(inputs, **tensors, contrast=contrast)

    def test_the_noise_is_the_same(self) -> None:
        """A token's noise decides alone where logits are level: the winner has the largest."""
        states = torch.tensor([noise.row_state(5, "row", position) for position in range(6)])
        plan, inputs = make_inputs(torch.zeros(6, 999), temperature=1.0)
        choice = launch(plan, replace(inputs, noise=states))
        values = noise.gumbel(states, torch.arange(999)[None, :], torch.float64)
        best = values.topk(2, dim=1).values
        assert torch.equal(choice.token, values.argmax(dim=1))
        torch.testing.assert_close(
            margin(choice).double(), best[:, 0] - best[:, 1], rtol=1e-5, atol=3e-6
        )


class TestRoute:
    def test_the_step_takes_the_kernels_where_they_are_available(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan, inputs = make_inputs(random_logits(1, 64))
        assert step.route_for_testing(plan, inputs) != "kernels"
        monkeypatch.setattr(kernels, "available", lambda logits: True)
        assert step.route_for_testing(plan, inputs) == "kernels"
        taken: list[Plan] = []
        monkeypatch.setattr(kernels, "choose", lambda plan, inputs: taken.append(plan))
        step.choose(plan, inputs)
        assert taken == [plan]

    def test_float64_stays_with_the_definition(self) -> None:
        assert not kernels.available(torch.zeros(1, 4, dtype=torch.float64, device=DEVICE))
        assert not kernels.available(torch.zeros(1, 4))


def compiled(plan: str) -> set[str]:
    """The kernels of a plan, compiled for an H100 in a process that does not interpret."""
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, str(tests / "kernel_target.py"), plan],
        env={**os.environ, "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {line.removeprefix("tether.decoding.kernels.") for line in done.stdout.splitlines()}


def test_a_plain_plan_compiles() -> None:
    assert compiled("plain") == {
        "peak._scan", "search._search", "draw._scan", "draw._settle"
    }  # fmt: skip


@pytest.mark.slow
def test_a_plan_of_everything_compiles() -> None:
    assert compiled("everything") == {
        "seen._scatter", "entries._sum_mixed", "normalise._scan", "normalise._join", "peak._scan",
        "search._search", "typical._scan", "typical._join", "draw._scan",
        "draw._settle",
    }  # fmt: skip


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
def test_nothing_waits_for_the_device() -> None:
    plan, inputs = make_inputs(random_logits(4, 9000), temperature=1.0, top_p=0.9, top_k=40)
    inputs = on(DEVICE, inputs)
    kernels.choose(plan, inputs)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        kernels.choose(plan, inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
