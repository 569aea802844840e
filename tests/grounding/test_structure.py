"""Structured passages keep every sentence, whatever the headings."""

from __future__ import annotations

import json
from collections import Counter

import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st

from tether.grounding.structure import Structured, points, schema

PASSAGE = 'Ada\'s mill makes "oat" flour. It sits in Graz.\nIt sits in Graz. Write to: x@y.z.'


def answer(passage: str, aspects: list[str], scope: str = "a mill") -> dict[str, object]:
    said = [
        {"quote": point, "aspect": aspects[n % len(aspects)]}
        for n, point in enumerate(points(passage))
    ]
    return {"scope": scope, "points": said}


@given(st.text(), st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_multiset_of_sentences_is_preserved(passage: str, aspects: list[str]) -> None:
    found = Structured.of(answer(passage, aspects))
    assert Counter(found.points) == Counter(points(passage))
    assert "".join("".join(points(passage)).split()) == "".join(passage.split())


def test_the_schema_lets_no_sentence_go() -> None:
    judge = jsonschema_rs.validator_for(schema(PASSAGE))
    good = answer(PASSAGE, ["place", "goods"])
    assert judge.is_valid(good)
    for change in ("drop", "swap", "alter"):
        bad = json.loads(json.dumps(good))
        said = bad["points"]
        if change == "drop":
            said.pop()
        elif change == "swap":
            said[0], said[1] = said[1], said[0]
        else:
            said[0]["quote"] = said[0]["quote"].replace("oat", "rye")
        assert not judge.is_valid(bad), change
    for heading in ("", " goods", "goods:", "x" * 41):
        assert not judge.is_valid(answer(PASSAGE, [heading]))


def test_the_text_has_headings_once() -> None:
    text = Structured.of(answer(PASSAGE, ["place", "goods"])).text()
    assert text == (
        'a mill:\n\nplace:\n- Ada\'s mill makes "oat" flour.\n- It sits in Graz.\n\n'
        "goods:\n- It sits in Graz.\n- Write to: x@y.z."
    )
