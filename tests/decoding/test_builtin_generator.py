"""The generator of the shipped model: same seed same documents, clean splits, derivable answers."""

from __future__ import annotations

import json
import random
import re
from importlib import resources
from typing import Any

import pytest

from tether.decoding.builtin.generator.clauses import merged, place
from tether.decoding.builtin.generator.example import Example, Split, held_part
from tether.decoding.builtin.generator.facts import Fact, make_fact, named
from tether.decoding.builtin.generator.fields import Shape
from tether.decoding.builtin.generator.frames import slots
from tether.decoding.builtin.generator.json_task import absent_field, domain_facts, make_json
from tether.decoding.builtin.generator.key_value import make_key_value
from tether.decoding.builtin.generator.mix import make_example
from tether.decoding.builtin.generator.names import MAKERS, make_name, side_of
from tether.decoding.builtin.generator.qa_task import fresh, make_qa, world
from tether.decoding.builtin.generator.rivals import enveloped, rival_sentences
from tether.decoding.builtin.generator.sparql_task import make_sparql
from tether.decoding.builtin.generator.topics import clash
from tether.decoding.builtin.generator.values import (
    DATE_FORMS,
    make_date,
    make_value,
    number_words,
    ordinal,
)
from tether.decoding.builtin.generator.wordings import FieldTable, domains

COUNT = 300
TIME = re.compile(r"\d?\d(:\d\d)?( ?[ap]m)?")
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
    assert len(held_part(DATE_FORMS, held=True)) == 4
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


def frame_pieces(*, held: bool) -> set[str]:
    frames = [text for domain in domains() for text in held_part(domain.frames, held=held)]
    return {max(re.split(r"\{\w+\}", text), key=len).strip(" .,:;") for text in frames}


def test_frames_name_fields_that_have_a_text() -> None:
    for domain in domains():
        kinds = {table.key: table.kind for table in domain.fields}
        for frame in domain.frames:
            keys = slots(frame)
            assert len(keys) == len(set(keys)) > 1 or "items" in {kinds[key] for key in keys}, frame
            assert "bool" not in {kinds[key] for key in keys}, frame
            assert not any(set(group) <= set(keys) for group in domain.exclusive), frame


def test_training_documents_hold_no_held_out_frame() -> None:
    kept = " | ".join(frame_pieces(held=False))
    only_held = [
        piece for piece in frame_pieces(held=True) if len(piece) > 12 and piece not in kept
    ]
    assert len(only_held) > 20
    texts = "\n".join(example.text for example in stream(12, 1500))
    assert [piece for piece in only_held if piece in texts] == []


def facts_of(name: str, count: int = COUNT) -> list[dict[str, Any]]:
    rng, domain = random.Random(13), next(d for d in domains() if d.name == name)
    return [
        {
            fact.origin: fact.json
            for fact in domain_facts(rng, domain, 8, Split(), make_value(rng, "person", Split()))
        }
        for _ in range(count)
    ]


def test_what_follows_is_never_earlier_or_more() -> None:
    both = 0
    for name, first, second in (("project", "start", "end"), ("project", "spent", "budget")):
        for facts in facts_of(name):
            if first in facts and second in facts:
                assert facts[first] <= facts[second]
                both += 1
    assert both > 50


def test_fields_that_could_contradict_each_other_are_never_both_stated() -> None:
    seen = [facts.keys() & {"age", "born"} for facts in facts_of("person")]
    assert {len(keys) for keys in seen} == {0, 1}


def test_what_could_be_worked_out_is_never_called_missing() -> None:
    rng, domain = random.Random(18), next(d for d in domains() if d.name == "person")
    born = next(table for table in domain.fields if table.key == "born")
    asked = set()
    for _ in range(COUNT):
        missing = absent_field(rng, domain, [make_fact(rng, born, Split())], Split())
        asked |= {missing[0].shape.base} if missing else set()
    assert {"str", "bool", "enum"} <= asked
    assert "int" not in asked


def test_sentences_about_one_thing_become_one() -> None:
    rng = random.Random(14)
    first, second = "{it} lives in Ulm.", "{it} works for Rossi."
    made = {merged(rng, first, second, "who") for _ in range(20)}
    assert made == {
        "{it} lives in Ulm and works for Rossi.",
        "{it}, who lives in Ulm, works for Rossi.",
    }
    assert merged(rng, "Age: 4", second, "who") is None
    assert merged(rng, first, "Home is Ulm.", "who") is None


def test_articles_and_verbs_agree_with_what_fills_them() -> None:
    assert place("A {v} was sold.", "{v}", "oak lamp") == "An oak lamp was sold."
    assert place("It is a {v} now.", "{v}", "union") == "It is a union now."
    assert place("a {v}-year-old", "{v}", "18") == "an 18-year-old"
    assert named("The {noun} is {v}.", "boxes") == "The boxes are {v}."
    assert (
        named("What about the {noun}? It is {v}.", "seats") == "What about the seats? They are {v}."
    )
    assert named("The {noun} is {v}.", "number of boxes") == "The number of boxes is {v}."


def test_a_letter_is_signed_by_nobody_else_than_its_speaker() -> None:
    rng = random.Random(15)
    own = "Hi, my name is Ada Berg."
    assert {enveloped(rng, own, Split()) for _ in range(30)} == {own}
    assert len({enveloped(rng, "The fee is 3.", Split()) for _ in range(30)}) > 10


def test_beside_the_point_names_no_fact() -> None:
    rng = random.Random(16)
    fact = Fact("page", Shape("int"), [], 3, "page", "3")
    said = [text for _ in range(300) for text in rival_sentences(rng, [fact], 1, Split())]
    assert len(said) > 200
    assert not [text for text in said if "page" in text.lower().split()]


def test_arbitrary_keys_are_never_taken_for_each_other() -> None:
    assert clash("driver", "new driver")
    assert clash("driver", "chauffeur")
    assert not clash("new driver", "old driver")


def test_few_documents_are_too_long_to_train_on() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    path = resources.files("tether.decoding.builtin") / "model" / "tokenizer.json"
    tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    rng = random.Random(17)
    examples = [make_json(rng) for _ in range(1000)]
    texts = [example.prompt + example.answer for example in examples]
    encoded = tokenizer.encode_batch_fast(texts)
    assert sum(len(row.ids) > 448 for row in encoded) < 30
    decoded = tokenizer.decode_batch([row.ids for row in encoded], skip_special_tokens=False)
    assert decoded == texts
