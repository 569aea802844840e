"""The generator of the shipped model: same seed same documents, clean splits, derivable answers."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from tether.decoding.builtin.generator.example import Example, Split, held_part
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.builtin.generator.key_value import make_key_value
from tether.decoding.builtin.generator.mix import make_example
from tether.decoding.builtin.generator.names import MAKERS, make_name, side_of
from tether.decoding.builtin.generator.qa_task import fresh, make_qa, world
from tether.decoding.builtin.generator.sparql_task import make_sparql
from tether.decoding.builtin.generator.values import DATE_FORMS, make_date, number_words, ordinal
from tether.decoding.builtin.generator.wordings import FieldTable, domains

COUNT = 300
TIME = re.compile(r"\d?\d:\d\d( [ap]m)?")
"""Times of day are no names and have no side."""


def stream(seed: int, count: int = COUNT) -> list[Example]:
    rng = random.Random(seed)
    return [make_example(rng, 1.0) for _ in range(count)]


def leaf_strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in leaf_strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in leaf_strings(part)]
    return [value] if isinstance(value, str) else []


def free_strings(schema: dict[str, Any], value: Any) -> list[str]:
    """Strings of `value` that the schema leaves open: no dates, no choices."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if value is None or "enum" in schema or schema.get("format") == "date":
        return []
    if schema["type"] == "object":
        parts = schema["properties"]
        return [text for key in value for text in free_strings(parts[key], value[key])]
    if schema["type"] == "array":
        return [text for item in value for text in free_strings(schema["items"], item)]
    return leaf_strings(value)


def test_same_seed_gives_the_same_documents() -> None:
    assert stream(5) == stream(5)
    assert stream(5, 20) != stream(6, 20)


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("side", ["train", "test"])
def test_names_stay_on_their_side(kind: str, side: Any) -> None:
    rng = random.Random(1)
    assert {side_of(make_name(rng, kind, side)) for _ in range(50)} == {side}


def test_every_sixth_wording_is_held_out() -> None:
    words = list("abcdefghij")
    assert held_part(words, held=True) == ["d", "j"]
    assert held_part(words, held=False) == list("abcefghi")
    assert held_part(["a", "b", "c"], held=True) == ["a", "b", "c"]


def longest_piece(wording: str) -> str:
    return str(max(re.split(r"\{v\}|\{it\}", wording), key=len)).strip(" .,:;")


def test_training_documents_hold_no_held_out_sentence() -> None:
    held = {
        longest_piece(text)
        for domain in domains()
        for field in domain.fields
        for text in (held_part(field.wordings, held=True) if field.wordings else [])
    }
    kept = " | ".join(
        text
        for domain in domains()
        for field in domain.fields
        for text in held_part(field.wordings, held=False)
    )
    only_held = [piece for piece in held if len(piece) > 24 and piece not in kept]
    assert len(only_held) > 20
    texts = "\n".join(example.text for example in stream(8, 1500))
    assert [piece for piece in only_held if piece in texts] == []


def test_held_out_date_forms_are_never_trained() -> None:
    assert len(held_part(DATE_FORMS, held=True)) == 3
    rng = random.Random(2)
    texts = [make_date(rng, Split()).text for _ in range(500)]
    assert not [t for t in texts if re.fullmatch(r"[A-Z][a-z]+ \d+(st|nd|rd|th), \d{4}", t)]


def test_no_test_side_name_in_training_answers() -> None:
    for example in stream(9, 600):
        if example.task == "json":
            strings = free_strings(example.schema or {}, json.loads(example.answer[:-7]))
            names = [text for text in strings if not TIME.fullmatch(text)]
            assert {side_of(name) for name in names} <= {"train"}, example


@pytest.mark.parametrize("split", [Split(), Split("test"), Split("test", 1.0)])
def test_answers_are_derivable_and_fit_the_schema(split: Split) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    rng = random.Random(3)
    for make in (make_json, make_key_value):
        for _ in range(COUNT):
            example = make(rng, split)
            value = json.loads(example.answer.removesuffix("<|end|>"))
            schema: dict[str, Any] = dict(example.schema or {})
            jsonschema_rs.validate(schema, value)
            asked = list(schema["properties"])
            assert [key for key in asked if key in value] == list(value)
            missing = [text for text in free_strings(schema, value) if text not in example.text]
            assert missing == [], example


def test_one_key_is_never_asked_twice() -> None:
    for example in stream(11, 500):
        if example.task == "json":
            schema: dict[str, Any] = dict(example.schema or {})
            keys = [key.lower() for key in schema["properties"]]
            assert len(keys) == len(set(keys))


def test_queries_parse() -> None:
    pyoxigraph = pytest.importorskip("pyoxigraph")
    prefixes = "PREFIX : <http://e/> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    store, rng = pyoxigraph.Store(), random.Random(4)
    for _ in range(COUNT):
        example = make_sparql(rng)
        assert "{" not in example.text
        store.query(prefixes + example.answer.removesuffix("<|end|>"))
        assert all(name in example.answer for name in example.entities)


def test_the_memorised_world_is_fixed_and_kept_apart() -> None:
    facts = world()
    assert len(facts) == 144
    assert len({(fact.relation.key, fact.subject) for fact in facts}) == 144
    known, rng = {fact.subject for fact in facts}, random.Random(5)
    assert not known & {fresh(rng, Split()).subject for _ in range(COUNT)}


def test_passages_answer_their_question() -> None:
    rng = random.Random(6)
    for _ in range(COUNT):
        example = make_qa(rng, Split(), "fresh")
        subject, answer = example.entities
        assert subject in example.text
        assert answer in example.text
        other = make_qa(rng, Split("test"), "contradict")
        assert other.entities[1] in other.text
        assert other.entities[1] != other.memory
        assert make_qa(rng, Split(), "closed").text == ""
        memory = make_qa(rng, Split(), "irrelevant")
        assert memory.entities[0] not in memory.text.split(". ")
        aside = make_qa(rng, Split("test"), "beside")
        assert aside.entities[0] in aside.text
        assert aside.entities[1] == aside.memory


def sentences(table: FieldTable) -> list[str]:
    return [*table.wordings, *(text for part in table.parts for text in part.wordings)]


def test_wording_tables_have_their_places() -> None:
    for domain in domains():
        assert domain.fields[0].kind == domain.subject
        for field in domain.fields:
            for text in sentences(field):
                assert text.count("{v}") == 1, text
                assert text.count("{it}") <= 1, text


def test_numbers_in_words() -> None:
    assert [number_words(n) for n in (7, 20, 42)] == ["seven", "twenty", "forty-two"]
    assert [ordinal(n) for n in (1, 2, 3, 11, 22)] == ["1st", "2nd", "3rd", "11th", "22nd"]
