"""Passages: where they stand, where they are cut, and that nothing is lost between them."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tether.decoding.builtin
from tether.errors import ModelError, UsageError
from tether.grounding.passages import Cutter

TOKENIZER = Path(tether.decoding.builtin.__file__).parent / "model" / "tokenizer.json"
CUTTERS = {
    (size, overlap): Cutter(TOKENIZER, size, overlap)
    for size, overlap in [(1, 0), (3, 1), (8, 0), (8, 4), (64, 0), (64, 16)]
}
TEXTS = st.text(st.sampled_from('ab .\n\r\tż中🦊\u0301\u200d👩。!?"1'), max_size=200) | st.text(
    max_size=200
)


def pieces(text: str, size: int, overlap: int) -> list[str]:
    return [text[start:end] for start, end in CUTTERS[size, overlap].cut(text)]


@pytest.mark.parametrize("shape", CUTTERS)
@given(text=TEXTS)
@settings(deadline=None, max_examples=150)
def test_every_character_is_in_a_passage(shape: tuple[int, int], text: str) -> None:
    found = list(CUTTERS[shape].cut(text))
    covered: set[int] = set()
    for start, end in found:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered.update(range(start, end))
    assert all(i in covered or text[i].isspace() for i in range(len(text)))
    assert all(a <= c and b < d for (a, b), (c, d) in itertools.pairwise(found))


@given(text=st.text(st.sampled_from("e\u0301a🦊\u200d👩 x"), max_size=80))
@settings(deadline=None)
def test_a_mark_stays_with_its_letter(text: str) -> None:
    for start, _ in CUTTERS[1, 0].cut(text):
        assert start == 0 or text[start - 1].isspace() or not (
            unicodedata.combining(text[start]) or "\u200d" in text[start - 1 : start + 1]
        )  # fmt: skip


def test_sizes_count_tokens() -> None:
    text = " ".join(f"word{n % 97}" for n in range(5_000))
    cutter = CUTTERS[64, 16]
    sizes = [cutter.count(text[start:end]) for start, end in cutter.cut(text)]
    assert max(sizes) <= 66
    assert min(sizes[:-1]) >= 40


def test_overlap() -> None:
    text = " ".join(f"word{n % 97}" for n in range(2_000))
    cutter = CUTTERS[64, 16]
    found = list(cutter.cut(text))
    shared = [cutter.count(text[c:b]) for (_, b), (c, _) in itertools.pairwise(found)]
    assert max(shared) <= 17
    assert min(shared) >= 10
    apart = list(CUTTERS[8, 0].cut(text))
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(apart))


def test_cuts_at_the_end_of_a_sentence_that_is_near() -> None:
    sentence = "The heron waits for fish."
    found = pieces(" ".join([sentence] * 30), 64, 0)
    assert len(found) > 5
    assert all(piece.startswith("The heron") and piece.endswith("fish.") for piece in found)


def test_a_long_text_is_tokenised_in_blocks_without_a_seam() -> None:
    text = "".join(f"Line {n} of a long file.\n" for n in range(12_000))
    found = list(CUTTERS[64, 16].cut(text))
    assert text[found[-1][0] : found[-1][1]].endswith("Line 11999 of a long file.")
    assert all(c <= b + 1 for (_, b), (c, _) in itertools.pairwise(found))


def test_blank_texts_have_no_passages() -> None:
    assert pieces("", 8, 0) == pieces(" \n\t", 8, 0) == []


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (10, 6), (10, -1)])
def test_sizes_out_of_range(size: int, overlap: int) -> None:
    with pytest.raises(UsageError, match=f"{size} tokens"):
        Cutter(TOKENIZER, size, overlap)


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_what_is_no_tokenizer(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match="is not a tokenizer"):
        Cutter(path)
