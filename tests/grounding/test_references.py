"""CAAD: the card's numbers, three ways of fusing, dense and sparse stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.grounding.evidence import Clues, Moment
from tether.grounding.neighbours import Keys
from tether.grounding.references import References, ReferenceStore

LOGITS = np.array([1.0, 1.2, 0.0, -1.0])
SAID = np.array([[3.0, 0.0, 0.0, -1.0], [2.0, 1.0, 0.5, -2.0], [0.0, 4.0, 0.0, 0.0]])
KEYS = np.array([[0.96, 0.28], [0.8, 0.6], [0.6, 0.8]], np.float32)
QUERY = np.array([1.0, 0.0], np.float32)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exp = np.exp(logits - logits.max())
    found: NDArray[np.float64] = exp / exp.sum()
    return found


def store(said: NDArray[np.float64], kept: int, keys: NDArray[np.float32] = KEYS) -> ReferenceStore:
    ids = np.argsort(-said, axis=1, kind="stable")[:, :kept].astype(np.int32)
    values = np.take_along_axis(said, ids.astype(np.int64), axis=1)
    return ReferenceStore(Keys(keys), ids, values - values[:, -1:])


def moment(hidden: NDArray[np.float32] = QUERY, logits: NDArray[np.float64] = LOGITS) -> Moment:
    log_p = np.log(softmax(logits))
    return Moment([0], 0, True, log_p=log_p, hidden=hidden)


def look(source: References, **given: Any) -> Clues:
    (clues,) = source.look([moment(**given)])
    assert clues is not None
    return clues


def fused(source: References, **given: Any) -> NDArray[np.float64]:
    """Probabilities after the evidence, as the step computes them."""
    clues = look(source, **given)
    logits = np.array(given.get("logits", LOGITS))
    values = np.bincount(clues.ids, clues.values, len(logits)).astype(np.float64)
    if clues.share:
        rest = 1 - clues.share * float(values.sum())
        mixed: NDArray[np.float64] = softmax(logits) * rest + clues.share * values
        return mixed
    return softmax(np.log(softmax(logits)) + values)


def source(kept: int = 4, **more: Any) -> References:
    return References(store(SAID, kept), **{"strength": 0.5, "num_tokens": 4, **more})


def test_the_worked_numbers() -> None:
    np.testing.assert_allclose(fused(source()), [0.6398, 0.2747, 0.0738, 0.0117], atol=1e-4)
    clues = look(source())
    mean = np.array([2.5455, 0.4545, 0.2273, -1.4545])  # up to a constant
    np.testing.assert_allclose(2 * np.diff(clues.values), np.diff(mean), atol=1e-4)


def test_convex_and_mixture() -> None:
    weights = np.array([0.96, 0.8]) / 1.76
    mean = weights @ SAID[:2]
    convex = softmax(0.5 * np.log(softmax(LOGITS)) + 0.5 * mean)
    np.testing.assert_allclose(fused(source(fusion="convex")), convex, atol=1e-6)
    mixture = 0.5 * softmax(LOGITS) + 0.5 * softmax(mean)
    np.testing.assert_allclose(fused(source(fusion="mixture")), mixture, atol=1e-6)


def test_means_weigh_all_alike() -> None:
    plain = softmax(LOGITS + 0.5 * SAID[:2].mean(0))
    np.testing.assert_allclose(fused(source(weighted=False)), plain, atol=1e-6)


def test_a_gate_that_nothing_passes_changes_nothing() -> None:
    clues = look(source(least=1.01))
    assert (len(clues.ids), clues.share) == (0, 0)
    assert clues.doubt == pytest.approx(50 * 0.05, rel=1e-3)


def test_the_same_context_raises_what_was_said_there() -> None:
    for entry in range(3):
        raised = fused(source(least=0.999), hidden=KEYS[entry])
        assert raised[SAID[entry].argmax()] > softmax(LOGITS)[SAID[entry].argmax()]


@pytest.mark.parametrize("fusion", ["linear", "convex", "mixture"])
def test_order_and_shifts_of_the_entries_do_not_matter(fusion: str) -> None:
    expected = fused(source(fusion=fusion))
    entries = store(SAID[::-1], 4, np.ascontiguousarray(KEYS[::-1]))
    turned = replace(source(fusion=fusion), store=entries)
    np.testing.assert_allclose(fused(turned), expected, atol=1e-9)
    shifted = SAID + np.array([[7.0], [-3.0], [0.5]])
    np.testing.assert_allclose(
        fused(replace(source(fusion=fusion), store=store(shifted, 4))), expected, atol=1e-9
    )
    two = replace(source(fusion=fusion), count=2)  # the third is below the gate
    np.testing.assert_allclose(fused(two), expected, atol=1e-9)


@pytest.mark.parametrize("fusion", ["linear", "convex", "mixture"])
def test_a_sparse_store_that_keeps_all_equals_the_dense_one(fusion: str) -> None:
    draw = np.random.default_rng(0)
    said, logits = draw.normal(size=(3, 40)) * 3, draw.normal(size=40)
    dense = ReferenceStore(Keys(KEYS), np.tile(np.arange(40, dtype=np.int32), (3, 1)), said)
    settings: dict[str, Any] = {"strength": 0.5, "fusion": fusion, "num_tokens": 40}
    whole = fused(References(dense, **settings), logits=logits)
    kept = fused(References(store(said, 40), **settings), logits=logits)
    np.testing.assert_allclose(kept, whole, atol=1e-9)
    few = fused(References(store(said, 8), **settings), logits=logits)
    assert np.abs(few - whole).max() > 1e-4
    assert few.sum() == pytest.approx(1.0)


def test_batched_equals_alone_and_only_free_text() -> None:
    both = source(free=True)
    shut = replace(moment(), open=False)
    other = moment(KEYS[2])
    together = both.look([shut, moment(), other])
    assert together[0] is None
    for there, one in zip(together[1:], [moment(), other], strict=True):
        (alone,) = both.look([one])
        assert there is not None
        assert alone is not None
        np.testing.assert_allclose(there.values, alone.values, atol=1e-6)
