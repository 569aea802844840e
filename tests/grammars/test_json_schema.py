from __future__ import annotations

import json
from typing import Any

import pytest

import tether.grammars
from tether.errors import DeadEnd, LimitReached, SchemaError, UsageError
from tether.grammars import laws
from tether.grammars.constraint import Constraint
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.vocabulary import Vocabulary
from tether.types import Order

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0},
        "born": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
}


def mask_accepts(constraint: Constraint, text: str) -> bool:
    """Whether the mask lets the text through and lets it end."""
    vocab = constraint.vocabulary
    tokens = [*vocab.encode(text), vocab.eos_id]
    return constraint.start().prefix_length(tokens) == len(tokens)


def test_the_package_and_the_function_share_a_name(byte_vocab: Vocabulary) -> None:
    from tether.grammars import json_schema as either

    assert either(True, byte_vocab).validate("3") is None
    assert tether.grammars.json_schema({"const": 1}, byte_vocab).validate("2")


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({"name": "Ada"}, True),
        ({"name": "Ada", "age": 36, "born": "1815-12-10", "tags": ["a", "é\n"]}, True),
        ({"name": "Ada", "other": [None, {"deep": 1.5}]}, True),
        ({"age": 36}, False),
        ({"name": "Ada", "age": -1}, False),
        ({"name": "Ada", "born": "1815-13-10"}, False),
        ({"name": 3}, False),
        ([], False),
    ],
)
def test_mask_and_oracle_agree(byte_vocab: Vocabulary, value: Any, valid: bool) -> None:
    constraint = json_schema(PERSON, byte_vocab)
    for separators in ((", ", ": "), (",", ":")):
        text = json.dumps(value, ensure_ascii=False, separators=separators)
        assert mask_accepts(constraint, text) is valid
        assert (constraint.validate(text) is None) is valid


@pytest.mark.parametrize("schema", [PERSON, json.dumps(PERSON), json.dumps(PERSON, indent=2)])
def test_text_and_value_are_one_language(byte_vocab: Vocabulary, schema: Any) -> None:
    assert json_schema(schema, byte_vocab).key == json_schema(PERSON, byte_vocab).key


def test_whitespace(byte_vocab: Vocabulary) -> None:
    value = {"name": "Ada", "tags": ["a"]}
    forms = {
        "tight": json.dumps(value, separators=(",", ":")),
        "spaced": json.dumps(value),
        "indented": json.dumps(value, indent=2),
        "endless": json.dumps(value).replace(": ", ":" + " " * 70),
    }
    allowed = {
        "exact": {"tight", "spaced"},
        "bounded": {"tight"},
        "flexible": {"tight", "spaced", "indented"},
    }
    constraints = {
        "exact": json_schema(PERSON, byte_vocab),
        "bounded": json_schema(PERSON, byte_vocab, bounds=Bounds()),
        "flexible": json_schema(PERSON, byte_vocab, whitespace="flexible"),
    }
    for name, constraint in constraints.items():
        assert {form for form, text in forms.items() if mask_accepts(constraint, text)} == (
            allowed[name]
        )


def test_validate_judges_by_the_users_own_schema(byte_vocab: Vocabulary) -> None:
    bounded = json_schema(PERSON, byte_vocab, bounds=Bounds(max_string=3))
    text = '{"name":"longer than three","more":1}'
    assert not mask_accepts(bounded, text)
    assert bounded.validate(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name":"a","name":"b"}', "'name' twice"),
        ('{"name":NaN}', "not JSON"),
        ('{"name":"a"', "not JSON"),
        ('{"name":"a","born":"1815-99-99"}', "At /born"),
        ("[" * 100_000, "not JSON"),
        ("3", "At the whole text"),
    ],
)
def test_the_oracle_says_why(byte_vocab: Vocabulary, text: str, said: str) -> None:
    complaint = json_schema(PERSON, byte_vocab).validate(text)
    assert complaint
    assert said in complaint


def test_big_integers_stay_exact(byte_vocab: Vocabulary) -> None:
    big = 2**60
    constraint = json_schema({"const": big}, byte_vocab)
    assert mask_accepts(constraint, str(big))
    assert not mask_accepts(constraint, str(big - 1))
    constraint = json_schema({"items": {"enum": [2**60 + 1]}}, byte_vocab)
    assert mask_accepts(constraint, f"[{2**60 + 1}]")
    assert not mask_accepts(constraint, f"[{2**60}]")


def test_numbers_beyond_floats_are_numbers(byte_vocab: Vocabulary) -> None:
    constraint = json_schema({"type": "number", "minimum": 3}, byte_vocab)
    assert constraint.validate("1E999") is None
    assert constraint.validate("-1E999")


@pytest.mark.parametrize(
    ("schema", "places"),
    [
        (False, ["the root"]),
        ({"type": "number", "const": None}, ["/type", "/const"]),
        ({"type": "string", "minLength": 5, "maxLength": 3}, ["/minLength", "/maxLength"]),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, ["/required"]),
    ],
)
def test_contradictions_allow_nothing_and_name_their_places(
    byte_vocab: Vocabulary, schema: Any, places: list[str]
) -> None:
    constraint = json_schema(schema, byte_vocab)
    assert not any(mask_accepts(constraint, text) for text in ("1", "{}", '"abcd"', "null"))
    with pytest.raises(DeadEnd, match="No JSON value satisfies") as caught:
        constraint.start().limit(1000)
    assert all(place in caught.value.message for place in places)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    with pytest.raises(DeadEnd):
        laws.allowed_tokens(constraint.start())


def test_bounded_times_are_never_leap_seconds(byte_vocab: Vocabulary) -> None:
    for form, texts in (
        ("date-time", ("2020-01-02T03:04:%sZ", "2020-01-02T03:04:%s.5+02:00")),
        ("time", ("03:04:%sZ", "03:04:%s.25-02:30")),
    ):
        constraint = json_schema({"type": "string", "format": form}, byte_vocab, bounds=Bounds())
        for text in texts:
            assert mask_accepts(constraint, json.dumps(text % "05"))
            assert not mask_accepts(constraint, json.dumps(text % "60"))


KEYWORDS: list[tuple[Any, list[str], list[str]]] = [
    ({"not": {"const": 1}, "x-guidance": {"lenient": True}}, ["2", "{}"], ["1"]),
    ({"properties": {"a": {"not": {"type": "null"}}}}, ['{"a":1}'], ['{"a":null}']),
    ({"oneOf": [{"type": "string"}, {"minLength": 3}]}, ["3", '"ab"'], ['"abc"']),
    ({"items": {"type": "array", "uniqueItems": True}}, ["[[1,2]]"], ["[[1,1]]"]),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, ['{"a":1,"b":1}'], ['{"a":1}']),
    ({"type": "string", "pattern": "(?=a)a|c"}, ['"a"', '"c"'], ['"b"']),
    ({"$defs": {"A": {"contains": {"const": 1}}}, "$ref": "#/$defs/A"}, ["[2,1]"], ["[2]", "[]"]),
    ({"properties": {"a": {}}, "minProperties": 2}, ['{"a":1,"b":1}'], ['{"a":1}']),
    ({"unevaluatedProperties": False, "allOf": [{"properties": {"a": {}}}]}, ["{}"], ['{"b":1}']),
    ({"propertyNames": {"pattern": "^x"}, "type": "object"}, ['{"x":1}'], ['{"y":1}']),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, ['{"b":1}'], ['{"a":1}']),
    ({"type": "string", "format": "iri"}, ['"http://é.example/ü"'], ['"no iri"']),
    ({"multipleOf": 0.01}, ["0.07", "3"], ["0.075"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "good", "bad"), KEYWORDS)
def test_every_keyword_is_held(
    byte_vocab: Vocabulary, schema: Any, good: list[str], bad: list[str]
) -> None:
    constraint = json_schema(schema, byte_vocab)
    assert [text for text in good if not mask_accepts(constraint, text)] == []
    assert [text for text in bad if mask_accepts(constraint, text)] == []


def test_what_the_engine_cannot_hold_the_oracle_does(byte_vocab: Vocabulary) -> None:
    patterns = {f"^k{i}[a-z]{{1,9}}x{i}": {"type": "integer"} for i in range(2000)}
    constraint = json_schema({"type": "object", "patternProperties": patterns}, byte_vocab)
    assert mask_accepts(constraint, '{"k7ax7":1}')
    assert not mask_accepts(constraint, '{"k7ax7":"a"}')


def test_look_around_is_the_oracles_and_the_rest_of_a_pattern_the_masks(
    byte_vocab: Vocabulary,
) -> None:
    schema = {"type": "string", "pattern": "^(?!INV)[A-Z]{3}-[0-9]{4}$"}
    constraint = json_schema(schema, byte_vocab, bounds=Bounds())
    assert mask_accepts(constraint, '"ABC-1234"')
    assert not mask_accepts(constraint, '"INV-1234"')
    assert constraint.start().prefix_length(byte_vocab.encode('"ab')) == 1
    with pytest.raises(LimitReached, match="shortest output has 10 tokens"):
        constraint.start().limit(3)


def test_formats_may_be_remarks(byte_vocab: Vocabulary) -> None:
    constraint = json_schema({"format": "date"}, byte_vocab, formats="annotate")
    assert mask_accepts(constraint, '"tomorrow"')
    assert not mask_accepts(json_schema({"format": "date"}, byte_vocab), '"tomorrow"')


@pytest.mark.parametrize("order", ["declared", "any"])
def test_order_is_how_texts_are_written_not_how_they_are_judged(
    byte_vocab: Vocabulary, order: Order
) -> None:
    schema = {"properties": {"b": {}, "a": {}, "c": {}}, "required": ["a", "b"], "minProperties": 4}
    judging = json_schema(schema, byte_vocab, order=order)
    assert mask_accepts(judging, '{"x":1,"c":1,"a":1,"b":1}')
    writing = json_schema(schema, byte_vocab, order=order, bounds=Bounds())
    assert mask_accepts(writing, '{"b":1,"a":1,"c":1,"x":1}')
    assert mask_accepts(writing, '{"a":1,"b":1,"c":1,"x":1}') is (order == "any")
    assert not mask_accepts(writing, '{"x":1,"a":1,"b":1,"c":1}'), "an extra key before a required"
    assert not mask_accepts(writing, '{"b":1,"a":1,"x":1,"x":1}'), "a key twice"


@pytest.mark.parametrize(
    ("schema", "said", "pointer"),
    [
        ("{", "line 1, column 2", "1:2"),
        ('{"a": 1,}', "line 1, column", None),
        ("{'a': 1}", "line 1, column 2", "1:2"),
        ("", "line 1, column 1", "1:1"),
        ("[]", "an array", ""),
        ("3", "a number", ""),
        ('"s"', "a string", ""),
        ("null", "null", ""),
        ('{"type": "string", "type": "object"}', "'type' twice", None),
        ('{"minimum": NaN}', "NaN is not a JSON value", None),
        (f'{{"minimum": {"9" * 5000}}}', r"more than \d+ digits\.\nWrite .* fewer digits", None),
        ({"minimum": 10**5000}, r"more than \d+ digits\.\nWrite .* fewer digits", None),
        ({"type": "strin"}, "at /type", "/type"),
        ({"items": {"$ref": "https://example.org/o.json"}}, r"\$ref at /items", "/items"),
        ({"items": {"$ref": "#/$defs/x"}}, r"\$ref at /items", "/items"),
        ({"$schema": "https://example.org/draft"}, "not known", "/$schema"),
        ({"const": {1, 2}}, "not JSON", None),
        ({"enum": ["\ud800"]}, "surrogate", None),
        ({"items": {"x-tether-max-token": 3}}, "no keyword", "/items/x-tether-max-token"),
        ({"x-tether-max-tokens": "3"}, "positive integer", "/x-tether-max-tokens"),
    ],
)
def test_what_is_no_schema_is_refused(
    byte_vocab: Vocabulary, schema: Any, said: str, pointer: str | None
) -> None:
    with pytest.raises(SchemaError, match=said) as caught:
        json_schema(schema, byte_vocab)
    if pointer is not None:
        assert caught.value.pointer == pointer


def test_wrong_words_are_refused(byte_vocab: Vocabulary) -> None:
    with pytest.raises(UsageError, match="order"):
        json_schema(True, byte_vocab, order="random")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="formats"):
        json_schema(True, byte_vocab, formats="loose")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="whitespace"):
        json_schema(True, byte_vocab, whitespace="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_random_ways_end_valid(byte_vocab: Vocabulary, seed: int) -> None:
    bounds = Bounds(max_string=4, max_items=2)
    constraint = json_schema(PERSON, byte_vocab, bounds=bounds)
    tokens: list[int] = []
    for matcher in laws.walk(constraint, seed, 400):
        ended = matcher.ended
    trail = constraint.start()
    choose = __import__("random").Random(seed)
    while not trail.ended:  # the same way as `walk` took
        allowed = [t for t in laws.allowed_tokens(trail) if t != byte_vocab.eos_id]
        tokens.append(choose.choice(allowed))
        trail.advance(tokens[-1])
    assert ended
    assert constraint.validate(byte_vocab.decode_bytes(tokens).decode()) is None


def test_numbers_of_any_size_are_judged() -> None:
    """An exponent too long for the decimal module ended a batch once."""
    judge = Oracle({"type": "number", "maximum": 10})
    assert judge.complaint("-1e999999999999999999999") is None
    assert judge.complaint("1e-999999999999999999999") is None
    assert "10" in (judge.complaint("1e999999999999999999999") or "")
