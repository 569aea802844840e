"""GRAD: the card's numbers, back-off, files, and what the gates do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.evidence import Clues, Moment
from tether.grounding.transitions import Transitions, TransitionStore

# The card's example: 0 Paris, 1 is, 2 in, 3 France, 4 Italy.
SEEN = [([0, 1, 2, 3], [0.70, 0.60, 0.50]), ([0, 1, 2, 3], [0.55, 0.40, 0.45]), ([2, 4], [0.05])]
LOGITS = np.array([-1.0, 0.0, -2.0, 2.0, 2.4])


def store(seen: list[tuple[list[int], list[float]]] = SEEN) -> TransitionStore:
    return TransitionStore.of(
        [np.array(tokens) for tokens, _ in seen],
        [np.array(weights, np.float32) for _, weights in seen],
    )


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
    return found


def moment(context: list[int], *, is_open: bool = True) -> Moment:
    return Moment(context, 0, is_open, log_p=log_softmax(LOGITS))


def look(source: Transitions, context: list[int], *, is_open: bool = True) -> Clues:
    (clues,) = source.look([moment(context, is_open=is_open)])
    assert clues is not None
    return clues


def test_the_worked_numbers() -> None:
    clues = look(Transitions(store(), most=4.0, longest=1), [2])
    assert clues.ids.tolist() == [3, 4]
    alpha = clues.values[0]
    assert alpha == pytest.approx(4 * 0.6 * 0.5922, abs=1e-3)
    assert clues.values[1] / alpha == pytest.approx(0.0526, abs=1e-4)
    fused = log_softmax(LOGITS)
    fused[clues.ids] += clues.values
    expected = [0.0084, 0.0227, 0.0031, 0.6958, 0.2700]
    np.testing.assert_allclose(np.exp(log_softmax(fused)), expected, atol=1e-4)


def test_logits_as_weights() -> None:
    seen = [([0, 1, 2, 3], [6, 5, 7.0]), ([0, 1, 2, 3], [5, 4, 6.0]), ([2, 4], [2.0])]
    clues = look(Transitions(store(seen), most=1.0, longest=1, gated=False), [2])
    np.testing.assert_allclose(clues.values, [1.0, 0.1538], atol=1e-4)
    assert clues.origins is not None
    assert clues.origins.tolist() == [0, 2]
    negative = store([([2, 3], [-5.0]), ([2, 4], [-1.0])])
    assert Transitions(negative, 1.0, gated=False).look([moment([2])]) == [None]


def test_the_longest_known_key_speaks() -> None:
    source = Transitions(store([([7, 8, 1, 5], [1.0] * 3), ([9, 1, 6], [1.0] * 2)]), 1.0)
    for context, following in [([7, 8, 1], [5]), ([8, 1], [5]), ([9, 1], [6]), ([3, 1], [5, 6])]:
        assert look(source, context).ids.tolist() == following
    assert look(replace(source, longest=1), [7, 8, 1]).ids.tolist() == [5, 6]
    assert source.look([moment([5]), moment([4, 4])]) == [None, None]


def test_passages_do_not_run_into_one_another() -> None:
    made = store([([1, 2], [1.0]), ([3], []), ([], []), ([4, 5], [1.0])])
    assert made.edges([2]) == slice(0, 0)
    assert made.edges([1, 2, 3]) == slice(0, 0)


def test_nothing_seen_is_nothing_said() -> None:
    assert Transitions(store([([1], [])]), 4.0).look([moment([1])]) == [None]


def test_more_weight_never_lowers_a_successor() -> None:
    before = np.exp(log_softmax(LOGITS))[3]
    for most in (0.5, 1.0, 2.0, 8.0):
        clues = look(Transitions(store(), most, longest=1), [2])
        fused = log_softmax(LOGITS)
        fused[clues.ids] += clues.values
        now = np.exp(log_softmax(fused))[3]
        assert now > before
        before = now


def test_only_where_free_text_may_stand() -> None:
    source = Transitions(store(), 4.0)
    assert source.look([moment([2], is_open=False), moment([2])])[0] is None
    assert look(replace(source, free=False), [2], is_open=False).ids.tolist() == [3, 4]


def test_counts_equal_those_of_a_plain_table() -> None:
    draw = np.random.default_rng(0)
    passages = [draw.integers(0, 12, n) for n in (40, 1, 0, 25, 60)]
    made = TransitionStore.of(passages, [np.ones(max(len(p) - 1, 0), "f4") for p in passages])
    for order in (1, 2, 3):
        table: dict[tuple[int, ...], dict[int, int]] = {}
        for tokens in passages:
            for n in range(order, len(tokens)):
                row = table.setdefault(tuple(tokens[n - order : n]), {})
                row[int(tokens[n])] = row.get(int(tokens[n]), 0) + 1
        for key, row in table.items():
            edges = made.edges(key, order)
            found = dict(zip(made.next[edges].tolist(), made.count[edges].tolist(), strict=True))
            assert found == row
            np.testing.assert_array_equal(made.weight[edges], made.count[edges])


def test_files_hold_the_same_graph(tmp_path: Path) -> None:
    made = store()
    made.save(tmp_path)
    loaded = TransitionStore.load(tmp_path)
    for context in ([2], [1, 2], [0, 1, 2], [9]):
        assert loaded.edges(context) == made.edges(context)
    np.testing.assert_array_equal(loaded.weight, made.weight)


@pytest.mark.parametrize("file", ["weight", "first", "keys"])
def test_a_cut_file_is_refused(tmp_path: Path, file: str) -> None:
    store().save(tmp_path)
    np.save(tmp_path / f"{file}.npy", getattr(store(), file)[:-1])
    with pytest.raises(UnavailableError, match="damaged"):
        TransitionStore.load(tmp_path)
