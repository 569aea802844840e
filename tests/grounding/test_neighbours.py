"""kNN-LM: the card's numbers, brute force, files, gates, and what the memory is to learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.evidence import Clues, Moment
from tether.grounding.index import lists
from tether.grounding.index.embed import unit
from tether.grounding.index.maker import Silent
from tether.grounding.index.strings import save_array
from tether.grounding.memory import targets
from tether.grounding.neighbours import KEYS, Keys, Neighbours, StateStore

WIDTH = 12


def states(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def made(vectors: NDArray[np.float32], tokens: list[int]) -> StateStore:
    origin = np.arange(len(tokens), dtype=np.int32)
    return StateStore(Keys(vectors), np.array(tokens, np.int32), origin)


def moments(queries: NDArray[np.float32], *, is_open: bool = True) -> list[Moment]:
    return [Moment([0], 0, is_open, hidden=query) for query in queries]


def summed(clues: Clues | None, size: int) -> NDArray[np.float64]:
    assert clues is not None
    return np.bincount(clues.ids, clues.values, size).astype(np.float64)


def at(distances: list[float]) -> NDArray[np.float32]:
    """Vectors of these squared distances from (1, 0, ...)."""
    cosines = 1 - np.array(distances) / 2
    return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1).astype(np.float32)


def test_the_worked_numbers() -> None:
    store = made(at([1.0, 2.0, 4.0]), [0, 1, 0])
    source = Neighbours(store, 3, temperature=1.0, share=0.25)
    (clues,) = source.look(moments(np.array([[5.0, 0.0]], np.float32)))
    assert clues is not None
    np.testing.assert_allclose(clues.values, [0.7054, 0.2595, 0.0351], atol=1e-4)
    assert clues.origins is not None
    assert clues.origins.tolist() == [0, 1, 2]
    p_knn = summed(clues, 4)
    np.testing.assert_allclose(p_knn, [0.7405, 0.2595, 0, 0], atol=1e-4)
    mixed = (1 - clues.share) * np.array([0.1, 0.2, 0.6, 0.1]) + clues.share * p_knn
    np.testing.assert_allclose(mixed, [0.2601, 0.2149, 0.45, 0.075], atol=1e-4)
    allowed = mixed[[1, 2]] / mixed[[1, 2]].sum()
    np.testing.assert_allclose(allowed, [0.3232, 0.6768], atol=1e-4)


def test_a_stored_state_says_what_followed_it() -> None:
    vectors = states(50)
    source = Neighbours(made(vectors, list(range(50))), 8, temperature=1e-4, share=0.5)
    for number, clues in enumerate(source.look(moments(vectors[:10]))):
        assert summed(clues, 50)[number] == pytest.approx(1.0, abs=1e-6)


def test_probabilities_sum_to_one_and_equal_brute_force() -> None:
    vectors, queries = states(300), states(7, seed=1)
    tokens = np.random.default_rng(2).integers(0, 20, 300).tolist()
    source = Neighbours(made(vectors, tokens), 16, temperature=0.3, share=0.5)
    for query, clues in zip(queries, source.look(moments(queries)), strict=True):
        distances = ((unit(vectors) - unit(query[None])) ** 2).sum(1)
        near, last = np.argsort(distances)[:16], np.sort(distances)[16]
        weights = np.exp(-distances[near] / 0.3) - np.exp(-last / 0.3)
        expected = np.bincount(np.array(tokens)[near], weights / weights.sum(), 20)
        np.testing.assert_allclose(summed(clues, 20), expected, atol=1e-5)
        assert summed(clues, 20).sum() == pytest.approx(1.0, abs=1e-6)


def test_the_order_of_the_entries_and_the_company_do_not_matter() -> None:
    vectors, queries = states(80), states(5, seed=1)
    tokens = np.random.default_rng(3).integers(0, 9, 80)
    mixed = np.random.default_rng(4).permutation(80)
    one = Neighbours(made(vectors, tokens.tolist()), 10, 0.3, 0.5)
    other = Neighbours(made(vectors[mixed], tokens[mixed].tolist()), 10, 0.3, 0.5)
    together = one.look(moments(queries))
    for query, here, there in zip(queries, together, other.look(moments(queries)), strict=True):
        (alone,) = one.look(moments(query[None]))
        np.testing.assert_allclose(summed(here, 9), summed(there, 9), atol=1e-6)
        np.testing.assert_allclose(summed(here, 9), summed(alone, 9), atol=1e-6)


def test_gates() -> None:
    source = Neighbours(made(at([0.5]), [3]), 4, temperature=1.0, share=0.5, gate=0.7)
    (clues,) = source.look(moments(np.array([[1.0, 0.0]], np.float32)))
    assert clues is not None
    assert clues.share == 0.5
    assert clues.doubt == pytest.approx(50 * 0.05, rel=1e-3)
    (shut,) = replace(source, gate=0.8).look(moments(np.array([[1.0, 0.0]], np.float32)))
    assert shut is not None
    assert (shut.share, len(shut.ids), shut.doubt < 3) == (0, 0, True)
    free = replace(source, free=True)
    assert free.look(moments(np.array([[1.0, 0.0]], np.float32), is_open=False)) == [None]


def test_a_near_tie_at_the_last_place_decides_nothing() -> None:
    query = moments(np.array([[1.0, 0.0]], np.float32))
    said = []
    for tie in (0.2 - 1e-6, 0.2 + 1e-6):
        store = made(at([0.1, 0.2, tie, 3.0]), [0, 1, 2, 3])
        (clues,) = Neighbours(store, 2, 0.5, 0.5).look(query)
        said.append(summed(clues, 4))
    np.testing.assert_allclose(said[0], said[1], atol=1e-4)
    assert said[0][0] == pytest.approx(1.0, abs=1e-4)
    # Neighbours that are all as far count alike, those beyond the last are not asked.
    (even,) = Neighbours(made(at([0.1] * 5), [0, 1, 2, 3, 3]), 3, 0.5, 0.5).look(query)
    np.testing.assert_allclose(summed(even, 4), [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-6)


def part(folder: Path, vectors: NDArray[np.float32], tokens: NDArray[Any]) -> Any:
    """A part as an index holds it."""
    save_array(folder / KEYS, vectors.astype(np.float16))
    save_array(folder / "next.npy", tokens.astype(np.int32))
    save_array(folder / "origin.npy", tokens.astype(np.int32))
    facts = Keys.part(folder, Silent())
    return SimpleNamespace(folder=folder, facts=facts, files=[p.name for p in folder.iterdir()])


@pytest.mark.parametrize("kind", ["flat", "ivf-flat", "ivf-pq"])
def test_a_store_on_disk_finds_what_brute_force_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(lists, "FLAT_UP_TO", 5000 if kind == "flat" else 100)
    monkeypatch.setattr(lists, "FULL_UP_TO", 100 if kind == "ivf-pq" else 5000)
    monkeypatch.setattr(lists, "_PROBED", 1)
    vectors = states(1200)
    held = part(tmp_path, vectors, np.arange(1200))
    assert held.facts["kind"] == kind
    store, queries = StateStore.load(held), unit(states(6, seed=1))
    ids, cosines = store.keys.nearest(queries, 40)
    every = queries @ unit(vectors.astype(np.float16).astype(np.float32)).T
    best = np.sort(every, axis=1)[:, ::-1][:, :40]
    shared = [len(set(a) & set(np.argsort(-e)[:40])) for a, e in zip(ids, every, strict=True)]
    assert min(shared) >= (36 if kind == "ivf-pq" else 40)
    assert (np.diff(cosines, axis=1) <= 0).all()
    np.testing.assert_allclose(cosines[:, 0], best[:, 0], atol=1e-5)


def test_damage_is_refused(tmp_path: Path) -> None:
    held = part(tmp_path, states(30), np.arange(30))
    save_array(tmp_path / "next.npy", np.arange(29, dtype=np.int32))
    with pytest.raises(UnavailableError, match="damaged"):
        StateStore.load(held)
    save_array(tmp_path / KEYS, states(29).astype(np.float16))
    with pytest.raises(UnavailableError, match="damaged"):
        StateStore.load(held)


def test_what_a_memory_learns_leaves_the_entry_itself_out() -> None:
    vectors = np.concatenate([at([0.0, 0.1, 1.0]), -at([0.0])])
    store = made(vectors, [5, 6, 5, 7])
    tokens, said = targets(store, np.array([0, 1]), 2, temperature=0.5, kept=3)
    table = [
        dict(zip(t, s, strict=True)) for t, s in zip(tokens.tolist(), said.tolist(), strict=True)
    ]
    weights = np.exp(-np.array([0.1, 1.0]) / 0.5)
    assert table[0][6] == pytest.approx(weights[0] / weights.sum(), abs=1e-5)
    assert table[0][5] == pytest.approx(weights[1] / weights.sum(), abs=1e-5)
    assert 6 not in table[1]
    np.testing.assert_allclose(said.sum(1), 1.0, atol=1e-6)
    cut, alone = targets(store, np.array([0]), 3, temperature=0.5, kept=1)
    assert (cut.tolist(), alone.tolist()) == ([[6]], [[1.0]])
