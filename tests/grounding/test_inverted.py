"""An inverted index by Tantivy finds what bm25s finds, and is changed without a rebuild."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import index_cases as cases
import pytest

from tether.errors import OutputError, UnavailableError
from tether.grounding.index import Index, by_words
from tether.grounding.index import build as building
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.maker import Silent
from tether.grounding.index.verify import verify

pytest.importorskip("tantivy", reason='tantivy is not installed: pip install "tether[tantivy]"')

from tether.grounding.index import inverted
from tether.grounding.index.inverted import InvertedMaker

WORDS = ["heron", "Fisch", "żółw", "鳥が", "2024", "a", "boat", "river", "ÖL", "naïve", "x" * 90]


def build(path: Path, texts: dict[str, str]) -> None:
    building.build(
        path, cases.documents(texts), [InvertedMaker()],
        tokenizer=cases.TOKENIZER, size=2000, overlap=0, overwrite=True,
    )  # fmt: skip


def add(path: Path, texts: dict[str, str]) -> None:
    building.add(path, cases.documents(texts), [InvertedMaker()])


def delete(path: Path, *names: str) -> None:
    building.delete(path, names, [InvertedMaker()])


def found(at: Path | Index, question: str, count: int = 10) -> list[str]:
    index = Index.open(at) if isinstance(at, Path) else at
    return [hit.passage.doc for hit in index.search(question, count)]


def made(seed: int, count: int, first: int = 0) -> dict[str, str]:
    draw = random.Random(seed)
    drawn = {
        f"d{n}": draw.choices(WORDS, range(1, 12), k=draw.randint(1, 30)) for n in range(count)
    }
    return {f"d{first + int(n[1:])}": " ".join(words) for n, words in drawn.items()}


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    return len({*one} & {*other}) / max(len(one), 1)


@pytest.mark.parametrize("seed", range(3))
def test_ranks_as_bm25s_does(tmp_path: Path, seed: int) -> None:
    """Constants differ, so near neighbours may change places: few do, and none from far away."""
    texts = made(seed, 200)
    build(tmp_path / "inverted", texts)
    building.build(
        tmp_path / "columns", cases.documents(texts), [by_words.maker("bm25s")],
        tokenizer=cases.TOKENIZER, size=2000, overlap=0,
    )  # fmt: skip
    columns, inverted = Index.open(tmp_path / "columns"), Index.open(tmp_path / "inverted")
    draw = random.Random(seed)
    shares = []
    for _ in range(20):
        question = " ".join(draw.choices([*WORDS, "unknown"], k=draw.randint(1, 4)))
        ours, theirs = found(inverted, question), found(columns, question)
        assert len(ours) == len(theirs)
        shares.append(overlap(ours, theirs))
        assert set(ours[:3]) <= set(found(columns, question, 12))
    assert sum(shares) / len(shares) > 0.9


def test_the_words_are_ours(tmp_path: Path) -> None:
    """Cut, folded and matched as `words` does it, in any script and of any length."""
    build(tmp_path, {f"d{n}": word for n, word in enumerate(WORDS)} | {"e": "snake_case, Straße"})
    for number, word in enumerate(WORDS):
        assert found(tmp_path, word.upper()) == [f"d{number}"]
    assert found(tmp_path, "case") == found(tmp_path, "STRASSE") == ["e"]
    assert found(tmp_path, "") == found(tmp_path, "?!") == found(tmp_path, "nowhere") == []


def test_equal_scores_by_id(tmp_path: Path) -> None:
    build(tmp_path, {f"d{n}": "The same words." for n in range(40)} | {"x": "Others."})
    assert found(tmp_path, "same", 7) == [f"d{n}" for n in range(7)]


def test_changes_find_what_a_build_finds(tmp_path: Path) -> None:
    held = made(5, 60)
    build(tmp_path / "kb", held)
    draw = random.Random(5)
    for step in range(4):
        gone = draw.sample(sorted(held), 15)
        delete(tmp_path / "kb", *gone)
        new = made(step, 20, first=100 * (step + 1))
        add(tmp_path / "kb", new)
        held = {name: text for name, text in held.items() if name not in gone} | new
        verify(tmp_path / "kb", Silent())
        index = Index.open(tmp_path / "kb")
        assert {passage.doc: passage.text for passage in index.passages} == held
        for word in WORDS:
            wanted = {n for n, text in held.items() if word in text.split(" ")}
            assert set(found(index, word, 200)) == wanted


def test_a_change_takes_over_what_stays(tmp_path: Path) -> None:
    build(tmp_path, made(1, 300))
    then = open_manifest(tmp_path).parts["lexical"]
    before = {name: (then.folder / name).stat().st_ino for name in then.files}
    add(tmp_path, {"new": "A swan."})
    now = open_manifest(tmp_path).parts["lexical"]
    assert found(tmp_path, "swan") == ["new"]
    kept = [n for n in now.files if before.get(n) == (now.folder / n).stat().st_ino]
    assert len(kept) >= 5
    assert not [name for name in os.listdir(now.folder) if name.endswith(".lock")]


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    build(tmp_path, {"a": "A heron.", "b": "A boat."})
    index = Index.open(tmp_path)
    delete(tmp_path, "a")
    assert [hit.passage.doc for hit in index.search("heron")] == ["a"]
    assert found(tmp_path, "heron") == []


def test_all_documents_may_go_and_others_come(tmp_path: Path) -> None:
    build(tmp_path, {"a": "One text."})
    delete(tmp_path, "a")
    assert found(tmp_path, "text") == []
    add(tmp_path, {"b": "Another text."})
    assert found(tmp_path, "text") == ["b"]
    verify(tmp_path, Silent())


def test_searching_writes_nothing(tmp_path: Path) -> None:
    """A part may lie where nobody may write, and other users may read it."""
    build(tmp_path, {"a": "A heron."})
    part = open_manifest(tmp_path).parts["lexical"]
    before = set(os.listdir(part.folder))
    assert found(tmp_path, "heron") == ["a"]
    assert set(os.listdir(part.folder)) == before == set(part.files)
    modes = {(part.folder / name).stat().st_mode for name in part.files}
    assert len(modes) == 1


def test_a_change_goes_on_from_an_index_by_bm25s(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "A heron."})
    assert by_words.engine_of(open_manifest(tmp_path)) == "bm25s"
    add(tmp_path, {"b": "Two herons, one heron."})
    assert by_words.engine_of(open_manifest(tmp_path)) == "tantivy"
    assert set(found(tmp_path, "heron")) == {"a", "b"}


def test_damage_is_found(tmp_path: Path) -> None:
    build(tmp_path, {"a": "A heron."})
    part = open_manifest(tmp_path).parts["lexical"]
    (terms,) = part.folder.glob("*.term")
    terms.write_bytes(b"\x00" * terms.stat().st_size)
    with pytest.raises(UnavailableError, match=r"part 'lexical'.*term has another content"):
        verify(tmp_path, Silent())
    with pytest.raises(UnavailableError, match="Tantivy says"):
        Index.open(tmp_path)


def test_what_tantivy_cannot_write_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, {"a": "A heron."})

    class Full:
        def __init__(self, **_: object) -> None:
            raise ValueError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tantivy.Document", Full)
        with pytest.raises(OutputError, match=r"cannot be written: .*No space left on device"):
            add(tmp_path, {"b": "A boat."})
    assert found(tmp_path, "heron") == ["a"]
    assert cases.folders(tmp_path) == {"passages.1", "lexical.1"}


def test_auto_goes_by_the_number_of_passages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_words, "MANY", 2)
    auto = [by_words.maker("auto")]
    for texts, engine in (({"a": "One."}, "bm25s"), ({"a": "One.", "b": "Two."}, "tantivy")):
        building.build(
            tmp_path, cases.documents(texts), auto, tokenizer=cases.TOKENIZER, overwrite=True
        )
        assert by_words.engine_of(open_manifest(tmp_path)) == engine


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, {"a": "A heron."})
    monkeypatch.setattr(by_words, "MANY", 0)
    monkeypatch.setattr(inverted, "is_installed", lambda: False)
    monkeypatch.setattr(by_words, "is_installed", lambda: False)
    for call in (InvertedMaker, lambda: Index.open(tmp_path)):
        with pytest.raises(UnavailableError, match="Tantivy is not installed") as caught:
            call()
        assert caught.value.hint == 'Install it: pip install "tether[tantivy]".'
    building.build(
        tmp_path, cases.documents({"a": "One."}), [by_words.maker("auto")],
        tokenizer=cases.TOKENIZER, overwrite=True,
    )  # fmt: skip
    assert by_words.engine_of(open_manifest(tmp_path)) == "bm25s"
