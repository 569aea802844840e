"""Indexes that are built, added to and cut down: places of passages, equality with scratch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import index_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tether.errors import EvidenceError, UsageError
from tether.grounding.index import Index
from tether.grounding.index import build as building
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.lexical import LexicalMaker
from tether.grounding.index.maker import Silent
from tether.grounding.index.verify import verify
from tether.grounding.passages import Cutter

TEXTS = st.text(st.sampled_from("ab c.\nż🦊 中\u0301X9"), max_size=60)
DOCUMENTS = st.dictionaries(st.sampled_from("pqrstuvw"), TEXTS, min_size=1, max_size=5)
FIRST = {"first": "Something to begin with."}


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Nothing is forced to the disk: these tests write hundreds of indexes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@given(texts=DOCUMENTS)
@settings(deadline=None, max_examples=40)
def test_passages_say_where_they_stand(texts: dict[str, str]) -> None:
    texts |= FIRST
    with tempfile.TemporaryDirectory() as folder:
        cases.build(Path(folder), texts)
        passages = Index.open(folder).passages
        assert list(passages.names) == list(texts)
        for number, passage in enumerate(passages):
            assert passage.id == number
            assert texts[passage.doc][passage.start : passage.end] == passage.text
        covered = {(p.doc, i) for p in passages for i in range(p.start, p.end)}
        missing = [
            (name, i)
            for name, text in texts.items()
            for i in range(len(text))
            if not text[i].isspace() and (name, i) not in covered
        ]
        assert missing == []


@given(st.data())
@settings(deadline=None, max_examples=25)
def test_changed_step_by_step_is_built_at_once(data: st.DataObject) -> None:
    """The same files, byte for byte, as an index built from the documents in their order."""
    with tempfile.TemporaryDirectory() as folder:
        held = dict(FIRST)
        cases.build(Path(folder, "kb"), held)
        for _ in range(data.draw(st.integers(1, 3))):
            if data.draw(st.booleans()):
                gone = data.draw(st.lists(st.sampled_from(list(held)), min_size=1, unique=True))
                if len(gone) < len(held):
                    cases.delete(Path(folder, "kb"), *gone)
                    held = {name: text for name, text in held.items() if name not in gone}
            new = data.draw(DOCUMENTS)
            cases.add(Path(folder, "kb"), new)
            changed = {name: text for name, text in new.items() if not same(held, name, text)}
            held = {name: text for name, text in held.items() if name not in changed} | changed
        verify(Path(folder, "kb"), Silent())
        if len(Index.open(Path(folder, "kb"))):
            cases.build(Path(folder, "scratch"), held)
            assert cases.contents(Path(folder, "kb")) == cases.contents(Path(folder, "scratch"))


def same(held: dict[str, str], name: str, text: str) -> bool:
    """Whether a document counts as unchanged: blanks outside its passages may differ."""
    if name not in held:
        return False
    cutter = Cutter(cases.TOKENIZER, 12, 3)
    spans = list(cutter.cut(text))
    return spans == list(cutter.cut(held[name])) and all(
        text[a:b] == held[name][a:b] for a, b in spans
    )


def test_what_a_change_counts(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    built = cases.build(kb, {"a": "One text.", "b": "Two texts.", "c": "Three."})
    assert (built.added, built.documents, built.passages) == (3, 3, 3)
    added = cases.add(kb, {"a": "One text.", "b": "Two other texts.", "d": "Four."})
    assert (added.added, added.replaced, added.unchanged) == (1, 1, 1)
    assert list(Index.open(kb).passages.names) == ["a", "c", "b", "d"]
    deleted = cases.delete(kb, "a", "d")
    assert (deleted.deleted, deleted.documents) == (2, 2)


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "One text."})
    before = cases.folders(tmp_path)
    assert cases.add(tmp_path, {"a": "One text."}).unchanged == 1
    assert cases.folders(tmp_path) == before


def test_all_documents_may_go_and_others_come(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "One text."})
    cases.delete(tmp_path, "a")
    empty = Index.open(tmp_path)
    assert (len(empty), empty.search("text")) == (0, [])
    verify(tmp_path, Silent())
    cases.add(tmp_path, {"b": "Another text."})
    assert [hit.passage.text for hit in Index.open(tmp_path).search("text")] == ["Another text."]


def test_a_missing_document_deletes_none(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "One text.", "b": "Two."})
    with pytest.raises(UsageError, match="no document 'x'"):
        cases.delete(tmp_path, "a", "x")
    assert len(Index.open(tmp_path)) == 2


def test_nothing_to_index(tmp_path: Path) -> None:
    for texts in ({}, {"a": " \n"}):
        with pytest.raises(EvidenceError, match="nothing to index"):
            cases.build(tmp_path / "kb", texts)
    assert not (tmp_path / "kb" / "manifest.json").exists()
    cases.build(tmp_path / "kb", FIRST)


def test_two_documents_of_one_name(tmp_path: Path) -> None:
    twice = [*cases.documents({"a": "One."}), *cases.documents({"a": "Two."})]
    with pytest.raises(EvidenceError, match="a:1: there is a second document named 'a'"):
        building.build(tmp_path, twice, [], tokenizer=cases.TOKENIZER)
    told: list[EvidenceError] = []
    building.build(tmp_path, twice, [], tokenizer=cases.TOKENIZER, on_bad=told.append)
    assert len(told) == 1
    assert [passage.text for passage in Index.open(tmp_path).passages] == ["One."]


def test_what_is_added_is_cut_as_the_rest_was(tmp_path: Path) -> None:
    """By the index's own copy of the tokenizer and its own sizes."""
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes(cases.TOKENIZER.read_bytes())
    text = "The heron waits for a fish. " * 9
    building.build(
        tmp_path / "kb", cases.documents(FIRST), [LexicalMaker()],
        tokenizer=tokenizer, size=20, overlap=0,
    )  # fmt: skip
    tokenizer.unlink()
    cases.add(tmp_path / "kb", {"a": text})
    found = [(p.start, p.end) for p in Index.open(tmp_path / "kb").passages if p.doc == "a"]
    assert found == list(Cutter(cases.TOKENIZER, 20, 0).cut(text))
    facts = open_manifest(tmp_path / "kb").part("passages").facts
    assert (facts["size"], facts["overlap"], facts["documents"]) == (20, 0, 2)
