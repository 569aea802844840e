"""Dense parts: what is found equals brute force, however the index came to its passages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.errors import OutputError, UnavailableError
from tether.grounding.document import Document
from tether.grounding.index import Index, lists
from tether.grounding.index.build import add, build, delete
from tether.grounding.index.dense_maker import DenseMaker
from tether.grounding.index.embed import unit
from tether.grounding.index.layout import seal
from tether.grounding.index.lexical import LexicalMaker
from tether.grounding.index.maker import Maker

TOKENIZER = Path(__file__).parents[2] / "decoding" / "builtin" / "model" / "tokenizer.json"
WIDTH = 24

Floats = NDArray[np.float32]


class Planted:
    """Vectors around eight centres, drawn from each text's hash: company does not matter."""

    width = WIDTH

    def __init__(self, seed: int = 0, *, learned: bool = True) -> None:
        self.name, self.learned = f"planted-{seed}", learned
        self.fingerprint = hashlib.sha256(self.name.encode()).hexdigest()
        self.asked: list[str] = []
        self._centres = 2 * np.random.default_rng(seed).normal(size=(8, WIDTH))

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Floats:
        self.asked += texts
        rows = [self._one(text) for text in texts]
        return unit(np.array(rows, np.float32).reshape(-1, WIDTH))

    def _one(self, text: str) -> Floats:
        draw = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
        vector: Floats = self._centres[draw.integers(8)] + draw.normal(size=WIDTH)
        return vector if self.learned else vector + 30  # a direction that all texts share


def documents(first: int, last: int) -> Iterator[Document]:
    return (Document(f"d{i}", f"Passage number {i}.", "here") for i in range(first, last))


def makers(embedder: Planted) -> list[Maker]:
    return [DenseMaker(lambda: embedder)]


def made(path: Path, count: int, embedder: Planted) -> Index:
    build(path, documents(0, count), makers(embedder), tokenizer=TOKENIZER)
    return Index.open(path)


@pytest.fixture
def small_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flat up to 400 vectors, whole vectors in lists up to 1000."""
    monkeypatch.setattr(lists, "FLAT_UP_TO", 400)
    monkeypatch.setattr(lists, "FULL_UP_TO", 1000)
    monkeypatch.setattr(lists, "_PROBED", 4)


def brute(index: Index, embedder: Planted, question: str, k: int) -> list[int]:
    """Ids by cosine, computed from the passages' texts alone."""
    vectors = embedder.embed([p.text for p in index.passages])
    scores = vectors @ embedder.embed([question])[0]
    best: list[int] = np.lexsort((np.arange(len(scores)), -scores))[:k].tolist()
    return best


def found(index: Index, embedder: Planted, question: str, k: int = 10) -> list[int]:
    return [hit.passage.id for hit in index.search(question, k, "dense", embedder)]


def test_flat_equals_brute_force(tmp_path: Path) -> None:
    embedder = Planted()
    index = made(tmp_path / "kb", 300, embedder)
    assert index.dense.facts["kind"] == "flat"
    for question in ("one", "two", "three"):
        assert found(index, embedder, question) == brute(index, embedder, question, 10)
    assert len(found(index, embedder, "one", 1000)) == 300


@pytest.mark.parametrize(("count", "kind"), [(900, "ivf-flat"), (3000, "ivf-pq")])
@pytest.mark.usefixtures("small_tiers")
def test_lists_find_nearly_all_with_exact_scores(tmp_path: Path, count: int, kind: str) -> None:
    embedder = Planted()
    index = made(tmp_path / "kb", count, embedder)
    assert index.dense.facts["kind"] == kind
    shared = 0
    for number in range(20):
        question = f"question {number}"
        hits = index.search(question, 10, "dense", embedder)
        truth = brute(index, embedder, question, 10)
        shared += len({hit.passage.id for hit in hits} & set(truth))
        vectors = embedder.embed([question, *(hit.passage.text for hit in hits)])
        np.testing.assert_allclose([hit.score for hit in hits], vectors[1:] @ vectors[0], atol=1e-5)
    assert shared >= 180  # of 200


@pytest.mark.usefixtures("small_tiers")
def test_the_same_passages_make_the_same_files(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, 1200, Planted()) for name in ("one", "two"))
    assert one.manifest.parts["dense"].files == two.manifest.parts["dense"].files


@pytest.mark.parametrize("count", [300, 900, 1500])
@pytest.mark.usefixtures("small_tiers")
def test_adding_and_deleting_embed_only_what_is_new(tmp_path: Path, count: int) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    made(path, count, embedder)
    embedder.asked.clear()
    add(path, documents(count, count + 50), makers(embedder))
    assert sorted(embedder.asked) == sorted(d.text for d in documents(count, count + 50))
    embedder.asked.clear()
    delete(path, [f"d{i}" for i in range(0, 100, 2)], makers(embedder))
    assert embedder.asked == []
    index = Index.open(path)
    vectors = embedder.embed([passage.text for passage in index.passages])
    np.testing.assert_array_equal(index.dense.vectors, vectors)
    everything = index.dense.nearest(vectors[:5], len(vectors))[0]
    if index.dense.facts["kind"] == "flat":
        assert sorted(everything[0].tolist()) == list(range(len(vectors)))
    nearest = index.dense.nearest(vectors, 1)[0][:, 0]
    assert (nearest == np.arange(len(vectors))).all()


@pytest.mark.usefixtures("small_tiers")
def test_growing_past_a_tier_trains_anew(tmp_path: Path) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    kinds = [made(path, 390, embedder).dense.facts["kind"]]
    for first, last in ((390, 500), (500, 1100)):
        add(path, documents(first, last), makers(embedder))
        kinds.append(Index.open(path).dense.facts["kind"])
    assert kinds == ["flat", "ivf-flat", "ivf-pq"]
    fresh = made(tmp_path / "fresh", 1100, embedder)
    assert fresh.manifest.parts["dense"].files == Index.open(path).manifest.parts["dense"].files


@pytest.mark.usefixtures("small_tiers")
def test_trained_lists_are_kept_while_they_fit(tmp_path: Path) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    made(path, 1500, embedder)
    add(path, documents(1500, 2000), makers(embedder))
    grown = Index.open(path).dense
    assert grown.facts["trained_for"] == 1500
    assert grown.inverted is not None
    assert grown.inverted.ntotal == 2000
    delete(path, [f"d{i}" for i in range(1995)], makers(embedder))
    assert Index.open(path).dense.facts["kind"] == "flat"


def test_another_embedder_is_refused_with_the_cure(tmp_path: Path) -> None:
    index = made(tmp_path / "kb", 20, Planted(0))
    with pytest.raises(UnavailableError, match="planted-0") as caught:
        index.search("x", 3, "dense", Planted(1))
    assert "--embedder planted-0" in caught.value.hint
    with pytest.raises(UnavailableError, match="planted-1"):
        add(tmp_path / "kb", documents(20, 21), makers(Planted(1)))
    assert len(Index.open(tmp_path / "kb")) == 20


def test_unlearned_vectors_are_whitened_once(tmp_path: Path) -> None:
    embedder, path = Planted(learned=False), tmp_path / "kb"
    index = made(path, 200, embedder)
    before = index.dense.vectors
    raw = embedder.embed([passage.text for passage in index.passages])
    assert (raw @ raw.T).min() > 0.9  # all alike, as they are
    assert np.abs((before @ before.T).mean()) < 0.05
    nearest = index.dense.search(embedder, [p.text for p in index.passages], 1)[0][:, 0]
    assert (nearest == np.arange(200)).all()
    add(path, documents(200, 260), makers(embedder))
    np.testing.assert_array_equal(Index.open(path).dense.vectors[:200], before)


def test_whitening_is_fitted_again_once_it_is_outgrown(tmp_path: Path) -> None:
    embedder, path = Planted(learned=False), tmp_path / "kb"
    made(path, 10, embedder)
    add(path, documents(10, 39), makers(embedder))
    assert Index.open(path).dense.facts["whitened_on"] == 10
    add(path, documents(39, 40), makers(embedder))
    fresh = made(tmp_path / "fresh", 40, embedder).manifest.parts["dense"]
    assert Index.open(path).manifest.parts["dense"].files == fresh.files
    with pytest.raises(UnavailableError, match="planted-0"):
        add(path, documents(40, 400), makers(Planted(1, learned=False)))


def test_what_an_older_version_left_unsaid_has_a_cure(tmp_path: Path) -> None:
    made(tmp_path / "kb", 8, Planted())
    manifest = tmp_path / "kb" / "manifest.json"
    body = json.loads(manifest.read_text())
    del body["parts"]["dense"]["facts"]["learned"]
    manifest.write_text(json.dumps({**body, "sha256": seal(body)}))
    with pytest.raises(UnavailableError, match="does not say `learned`") as caught:
        add(tmp_path / "kb", documents(8, 9), makers(Planted()))
    assert "--overwrite" in caught.value.hint
    assert len(Index.open(tmp_path / "kb").dense.vectors) == 8


def test_hybrid_finds_what_either_finds(tmp_path: Path) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    both = [LexicalMaker(), *makers(embedder)]
    build(path, documents(0, 50), both, tokenizer=TOKENIZER)
    index = Index.open(path)
    question = "number 17"
    words, vectors = (
        [hit.passage.id for hit in index.search(question, 1, mode, embedder)]
        for mode in ("bm25", "dense")
    )
    fused = [hit.passage.id for hit in index.search(question, 50, "hybrid", embedder)]
    assert words == [17]
    assert {*words, *vectors} <= set(fused[:20])
    auto = index.search(question, 5, "auto", embedder)
    assert auto == index.search(question, 5, "hybrid", embedder)


def test_auto_leaves_out_vectors_that_nobody_trained(tmp_path: Path) -> None:
    embedder, path = Planted(learned=False), tmp_path / "kb"
    both = [LexicalMaker(), *makers(embedder)]
    build(path, documents(0, 50), both, tokenizer=TOKENIZER)
    index = Index.open(path)
    assert index.usual == "bm25"
    assert index.search("number 17", 5, "auto", embedder) == index.search("number 17", 5, "bm25")


def test_a_full_disk_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_tiers: None
) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    made(path, 450, embedder)

    def full(index: object, name: str) -> None:
        raise RuntimeError("write error in file: 0 != 1 (No space left on device)")

    monkeypatch.setattr("faiss.write_index", full)
    with pytest.raises(OutputError, match="No space left"):
        add(path, documents(450, 460), makers(embedder))
    index = Index.open(path)
    assert len(index) == len(index.dense.vectors) == 450


@pytest.mark.parametrize("name", ["vectors.npy", "lists.faiss"])
@pytest.mark.usefixtures("small_tiers")
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    index = made(tmp_path / "kb", 450, Planted())
    file = index.manifest.parts["dense"].folder / name
    file.write_bytes(b"\0" * file.stat().st_size)  # the size is right
    with pytest.raises(UnavailableError, match=name) as caught:
        Index.open(tmp_path / "kb").search("x", 3, "dense", Planted())
    assert caught.value.hint


@pytest.mark.usefixtures("small_tiers")
def test_an_open_index_stays_as_it_was(tmp_path: Path) -> None:
    embedder, path = Planted(), tmp_path / "kb"
    index = made(path, 450, embedder)
    before = brute(index, embedder, "x", 10)
    delete(path, [f"d{i}" for i in range(200)], makers(embedder))
    assert set(found(index, embedder, "x")) <= set(range(450))
    assert len(set(found(index, embedder, "x")) & set(before)) > 5
    assert len(Index.open(path)) == 250
