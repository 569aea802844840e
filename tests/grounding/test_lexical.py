"""BM25 finds what the formula finds; words are words in any language."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import index_cases as cases
import pytest

from tether.errors import UnavailableError, UsageError
from tether.grounding.index import Index
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.writing import editing
from tether.grounding.words import words

WORDS = ["heron", "Fisch", "żółw", "鳥が", "2024", "a", "boat", "river", "ÖL", "naïve"]


def scores(passages: list[str], question: str) -> list[float]:
    """BM25 by its formula; see `lexical.py`."""
    counts = [Counter(words(text)) for text in passages]
    mean = sum(count.total() for count in counts) / len(counts)
    found = []
    for count in counts:
        total = 0.0
        for word in words(question):
            having = sum(word in other for other in counts)
            idf = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
            times = count[word]
            total += idf * times / (times + 1.5 * (0.25 + 0.75 * count.total() / mean))
        found.append(total)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_equals_brute_force(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    texts = {
        f"d{n}": " ".join(draw.choices(WORDS, range(1, 11), k=draw.randint(1, 9)))
        for n in range(150)
    }
    cases.build(tmp_path, texts)
    index = Index.open(tmp_path)
    passages = [passage.text for passage in index.passages]
    for _ in range(20):
        question = " ".join(draw.choices([*WORDS, "unknown"], k=draw.randint(1, 5)))
        wanted = scores(passages, question)
        ranked = sorted(range(len(passages)), key=lambda i: (-round(wanted[i], 5), i))
        hits = index.search(question, 12)
        assert [hit.score for hit in hits] == pytest.approx(
            [wanted[i] for i in ranked[:12] if wanted[i] > 0], rel=1e-5
        )
        for hit in hits:
            assert hit.score == pytest.approx(wanted[hit.passage.id], rel=1e-5)


def test_equal_scores_by_id(tmp_path: Path) -> None:
    cases.build(tmp_path, {f"d{n}": "The same words." for n in range(40)} | {"x": "Others."})
    hits = Index.open(tmp_path).search("same", 7)
    assert [hit.passage.id for hit in hits] == list(range(7))


def test_only_passages_with_a_word_of_the_question(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "A heron.", "b": "A boat.", "c": "!? …"})
    index = Index.open(tmp_path)
    assert [hit.passage.doc for hit in index.search("HERON, heron")] == ["a"]
    assert index.search("") == index.search("?!") == index.search("nowhere") == []
    assert len(index.search("a", 100)) == 2
    with pytest.raises(UsageError, match="0 passages"):
        index.search("a", 0)


def test_an_index_without_any_word(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "!? …"})
    assert Index.open(tmp_path).search("a") == []


def test_words_cut_by_other_rules_are_refused(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "A heron."})
    part = open_manifest(tmp_path).part("lexical")
    with editing(tmp_path) as edit:
        facts = {**part.facts, "words_form": 99}
        edit.put("lexical", facts, lambda folder: None)
    with pytest.raises(UnavailableError, match="another version of tether"):
        Index.open(tmp_path)


def test_vectors_that_are_not_there(tmp_path: Path) -> None:
    cases.build(tmp_path, {"a": "A heron."})
    with pytest.raises(UnavailableError, match="has no part 'dense'"):
        Index.open(tmp_path).search("heron", mode="dense")
    assert Index.open(tmp_path).search("heron", mode="auto")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Heron's 2nd fish-pond", ["the", "heron", "s", "2nd", "fish", "pond"]),
        ("3.5 m", ["3", "5", "m"]),
        ("snake_case", ["snake", "case"]),
        ("Straße STRASSE ﬁsh", ["strasse", "strasse", "fish"]),
        ("ŻÓŁW İstanbul", ["żółw", "i̇stanbul"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("東京都 に a", ["東京", "京都", "に", "a"]),
        ("５月Ａ", ["5", "月", "a"]),
        ("ภาษา", ["ภา", "าษ", "ษา"]),
        ("", []),
        ("—🦊—", []),
    ],
)  # fmt: skip
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_plain_text_is_cut_as_any_other() -> None:
    text = "It's 3 o'clock_now: A1-b2, C"
    assert words(f"{text} ż") == [*words(text), "ż"]
