"""Verbatim strings: every quote stands in the evidence, and no mask leads where none can be."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tether.errors import DeadEnd, EvidenceError, LimitReached, SchemaError, UsageError
from tether.grammars import laws
from tether.grammars.constraint import Constraint, allowed_ids
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.json_schema.front.automaton import Automaton, automaton
from tether.grammars.json_schema.front.patterns import pattern_language
from tether.grammars.json_schema.places import places
from tether.grammars.json_schema.verbatim_fields import with_marks
from tether.grammars.product import All
from tether.grammars.spec import Spec
from tether.grammars.verbatim import Evidence, spans, verbatim_text
from tether.grammars.verbatim.fits import longest_fits
from tether.grammars.vocabulary import Vocabulary

MARK = {"x-tether-verbatim": True}
QUOTE: dict[str, Any] = {"type": "string", **MARK}
ALPHABET = 'ab1 -é你👋"\\\n\t\b/\x01\x7f'
SHAPES: list[dict[str, Any]] = [
    {},
    {"maxLength": 2},
    {"minLength": 3},
    {"x-tether-verbatim": {"min_length": 2}, "maxLength": 3},
    {"pattern": "^a[b1]*$"},
    {"pattern": "1"},
    {"pattern": "^(a|ab1|b1 )$"},
    {"pattern": "^[^a]+$", "maxLength": 4},
    {"pattern": "b", "minLength": 2, "maxLength": 5},
    {"enum": ["a", "ab", "1 ", "é", "zz", '"', "\n"]},
    {"const": "ab"},
    {"type": ["string", "null"], "pattern": "^b"},
]


@pytest.fixture(scope="module")
def vocab() -> Vocabulary:
    """All bytes, tokens that close, open or cross a quote, and pieces of characters."""
    longer = [
        "ab",
        "ab1",
        "b1",
        " a",
        "1 ",
        "é",
        '",',
        '"}',
        '","',
        '":"',
        'a"',
        'b",',
        '["a',
        '"a',
    ]
    longer += [
        "\\n",
        "\\\\",
        '\\"',
        "a\\",
        'n"',
        "你",
        "aé",
        'é"]',
        '":1',
        '"q":"a',
        "12",
        ',"s',
        "ab1" * 3,
    ]
    pieces = [b"\xc3", b"\xa9a", b"\xf0\x9f", b"\xff\xff"]
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *(t.encode() for t in longer), *pieces]
    return Vocabulary.from_tokens([*tokens, b""], eos_id=0)


def random_evidence(rng: random.Random, longest: int = 9) -> Evidence:
    texts = ["".join(rng.choices(ALPHABET, k=rng.randrange(1, longest))) for _ in range(3)]
    return Evidence(["ab1", *texts])


def all_quotes(evidence: Evidence) -> set[str]:
    """Every substring that a JSON string with short escapes alone can say."""
    whole = {
        text[i:j]
        for text in evidence.texts
        for i in range(len(text))
        for j in range(i + 1, len(text) + 1)
    }
    return {text for text in whole if not re.search("[\x00-\x07\x0b\x0e-\x1f\x7f]", text)}


def spelled(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def texts_of(constraint: Constraint, seeds: range, most: int | None = None) -> Iterator[str]:
    """What random choices under the masks say; within `most` tokens where that is given."""
    vocab = constraint.vocabulary
    for seed in seeds:
        choose, matcher = random.Random(seed), constraint.start()
        if most is not None:
            matcher.limit(most)
        said: list[int] = []
        while not matcher.ended:
            allowed = laws.allowed_tokens(matcher)
            token = choose.choice(matcher.forced()[:1] or list(allowed))
            assert token in allowed
            if token == vocab.eos_id:
                break
            matcher.advance(token)
            said.append(token)
            gone = matcher.retreat()
            del said[len(said) - gone :]
        assert matcher.can_end
        assert most is None or len(said) <= most
        yield vocab.decode_bytes(said).decode()


def quotes_in(schema: Any, value: Any) -> list[str]:
    """The strings of a value that the schema marks."""
    marked = [place for place, part, _ in places(schema) if part.get("x-tether-verbatim")]
    found = [(place, value) for place in marked]
    result = []
    while found:
        place, part = found.pop()
        if not place:
            result += [part] if isinstance(part, str) else []
        elif isinstance(part, list):
            found += [(place[1:], item) for item in part]
        elif isinstance(part, dict) and place[0] in part:
            found.append((place[1:], part[place[0]]))
    return result


@pytest.mark.parametrize("shape", SHAPES, ids=json.dumps)
def test_masks_are_those_of_brute_force(shape: dict[str, Any], vocab: Vocabulary) -> None:
    rng = random.Random(json.dumps(shape))
    for _ in range(4):
        evidence = random_evidence(rng)
        schema = {"type": "array", "items": {**QUOTE, **shape}, "minItems": 1, "maxItems": 1}
        constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
        whole = [spelled([text]) for text in [*all_quotes(evidence), None]]
        legal = [text for text in whole if constraint.validate(text.decode()) is None]
        if not legal:
            with pytest.raises(DeadEnd, match="evidence"):
                laws.allowed_tokens(constraint.start())
            continue
        for _ in range(4):
            goal, matcher = rng.choice(legal), constraint.start()
            said = b""
            while said != goal:
                allowed = set(laws.allowed_tokens(matcher))
                wanted = {
                    token
                    for token, text in enumerate(vocab.tokens)
                    if text and any(line.startswith(said + text) for line in legal)
                }
                assert allowed - {0} == wanted - {0}, said
                fitting = [t for t in sorted(wanted) if goal.startswith(said + vocab.tokens[t])]
                token = rng.choice(fitting)
                matcher.advance(token)
                said += vocab.tokens[token]
            assert matcher.can_end


SCHEMAS: list[Any] = [
    {"type": "object", "properties": {"q": QUOTE, "n": {"type": "integer"}}, "required": ["q"]},
    {"type": "array", "items": {**QUOTE, "x-tether-verbatim": {"min_length": 3}}, "maxItems": 3},
    {
        "$defs": {"q": {**QUOTE, "maxLength": 4}},
        "type": "object",
        "properties": {"s": {"type": "string"}, "q": {"$ref": "#/$defs/q"}},
        "required": ["s", "q"],
    },
    {"anyOf": [{**QUOTE, "pattern": "^[ab]+$"}, {"type": "null"}]},
    {"anyOf": [QUOTE, {"const": "none of it"}]},
    {"type": "array", "items": {**QUOTE, "x-tether-max-tokens": 2}, "minItems": 2, "maxItems": 2},
    {"type": "array", "items": QUOTE, "minItems": 2, "maxItems": 3, "uniqueItems": True},
    {"allOf": [QUOTE, {"pattern": "b"}]},
    {"type": "object", "additionalProperties": QUOTE, "propertyNames": {"pattern": "^[xy]$"}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
def test_every_quote_is_a_substring_under_every_budget(schema: Any, vocab: Vocabulary) -> None:
    rng = random.Random(json.dumps(schema))
    for _ in range(2):
        evidence = random_evidence(rng, 30)
        constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
        least = _least(constraint)
        for most in [None, *range(least, least + 12, 3), 60]:
            for text in texts_of(constraint, range(2), most):
                assert constraint.validate(text) is None, text
                value = json.loads(text)
                quotes = [q for q in quotes_in(schema, value) if q != "none of it"]
                assert all(evidence.find(quote) for quote in quotes), text


def _least(constraint: Constraint) -> int:
    """The fewest tokens that a text is known to need."""
    try:
        constraint.start().limit(1)
    except LimitReached as error:
        return int(re.findall(r"at least (\d+)", error.hint)[0])
    return 1


def test_other_spellings_of_a_quote_are_judged_by_what_they_mean(vocab: Vocabulary) -> None:
    evidence = Evidence(['say "é"\n', "👋"])
    constraint = json_schema(QUOTE, vocab, evidence=evidence)
    for text in (r'"\"\u00e9\""', r'"\ud83d\udc4b"', r'"\u0079 \u0022"', '"👋"'):
        assert constraint.validate(text) is None, text
    for text in (r'"\u00e8"', r'"\ud83d"', '"\\n\\n"', '""', '"é👋"'):
        assert constraint.validate(text) is not None, text


def test_a_quote_lies_within_one_passage(vocab: Vocabulary) -> None:
    constraint = json_schema(
        {**QUOTE, "minLength": 3}, vocab, evidence=Evidence(["ab", "1ab", "b"])
    )
    assert set(texts_of(constraint, range(5))) == {'"1ab"'}


def test_a_quote_shorter_than_asked_is_all_of_a_short_passage(vocab: Vocabulary) -> None:
    schema = {"type": "string", "x-tether-verbatim": {"min_length": 50}}
    constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=Evidence(["a b", "b"]))
    assert set(texts_of(constraint, range(3))) == {'"a b"'}
    assert constraint.validate('"b"') is not None


FILLED: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 2,
    "items": {
        "type": "object",
        "x-tether-verbatim": True,
        "properties": {
            "end": {"type": "integer"},
            "doc": {"type": "integer"},
            "quote": {"type": "string", "maxLength": 4},
            "note": {"enum": ["n"]},
            "start": {"type": "integer"},
        },
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("whitespace", ["compact", "flexible"])
@pytest.mark.parametrize("kind", ["integer", "string"])
def test_places_are_filled_in(kind: str, whitespace: Any, vocab: Vocabulary) -> None:
    schema = json.loads(json.dumps(FILLED))
    schema["items"]["properties"]["doc"]["type"] = kind
    evidence = Evidence(['a "b" é👋 ab', "ab1\n b"], ["first.txt", 'the "second"'])
    constraint = json_schema(
        schema, vocab, bounds=Bounds(), whitespace=whitespace, evidence=evidence
    )
    seen = 0
    for most in (None, 90 if whitespace == "compact" else 250):
        for text in texts_of(constraint, range(8 if whitespace == "compact" else 1), most):
            assert constraint.validate(text) is None, text
            for item in json.loads(text):
                seen += 1
                place = evidence.find(item["quote"])
                assert place is not None
                assert (item["start"], item["end"]) == (place.start, place.end)
                assert item["doc"] == (place.number if kind == "integer" else place.doc)
                passage = evidence.texts[place.number - 1]
                assert passage[item["start"] : item["end"]] == item["quote"]
    assert seen > 1
    wrong = [{"quote": "ab", "doc": 2 if kind == "integer" else 'the "second"'}]
    assert "where the quote stands" in str(constraint.validate(json.dumps(wrong)))


def test_the_first_place_of_a_quote_is_told() -> None:
    evidence = Evidence(["b ab", "ab ab"])
    assert evidence.find("ab") == ("1", 1, 2, 4)
    assert evidence.find("ab ab") == ("2", 2, 0, 5)
    assert evidence.find("ba") is None


def test_wide_and_narrow_ranges_agree(vocab: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    for escaped in (True, False):
        for least in (1, 3):
            evidence = random_evidence(rng, 60)
            suffixes = evidence.suffixes(escaped=escaped)
            fits = longest_fits(suffixes, [shape("(a|b|1| |é)*")], 5)
            for longest in (None, fits):
                masks = []
                for few in (10_000, 0):
                    monkeypatch.setattr(spans, "_FEW", few)
                    masks.append(_masks(spans.Spans(suffixes, least, longest), vocab))
                assert masks[0] == masks[1]
                assert len(masks[0]) > 3


def test_wide_ranges_end_with_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_FEW", 0)
    text = "ab1" * 6 + " -"  # the first suffix, " -", has no ninth byte
    pieces = [text[at : at + 9].encode() for at in range(9)]
    vocab = Vocabulary.from_tokens([b"<eos>", *dict.fromkeys(pieces)], eos_id=0)
    quotes = spans.Spans(Evidence([text]).suffixes(escaped=False), 1)
    mask = quotes.mask(vocab, quotes.start())
    assert allowed_ids(mask).tolist() == list(range(1, vocab.size))


def shape(pattern: str) -> Automaton:
    language = pattern_language(f"^({pattern})$")
    assert language is not None
    found = automaton(language.branches)
    assert found is not None
    return found


def _masks(quotes: spans.Spans, vocab: Vocabulary) -> dict[str, list[int]]:
    """The masks along every way of single bytes, a few bytes deep."""
    waiting, found = [(b"", quotes.start())], {}
    while waiting:
        said, span = waiting.pop()
        found[repr(said)] = np.flatnonzero(
            np.unpackbits(quotes.mask(vocab, span).view(np.uint8), bitorder="little")
        ).tolist()
        steps = ((said + bytes([b]), quotes.walk(span, bytes([b]))) for b in range(256))
        waiting += [(text, after) for text, after in steps if after and len(text) < 5]
    return found


@pytest.mark.parametrize(
    "pattern", ["a[b1]*", "(a|ab1|b1 )", '[^"-]{2,4}', "(é|b?a)+", "(ab?){0,2}"]
)
def test_longest_fits_are_those_of_brute_force(pattern: str) -> None:
    rng = random.Random(pattern)
    for most in (None, 3):
        evidence = random_evidence(rng, 40)
        suffixes = evidence.suffixes(escaped=False)
        found = dict(
            zip(
                suffixes.order.tolist(), longest_fits(suffixes, [shape(pattern)], most), strict=True
            )
        )
        at = 0
        for text in evidence.texts:
            for start in range(len(text)):
                ends = range(start + 1, len(text) + 1 if most is None else start + most + 1)
                fits = [e - start for e in ends if re.fullmatch(pattern, text[start:e])]
                sizes = [size for size in fits if start + size <= len(text)]
                assert found[at + len(text[:start].encode())] == max(sizes, default=0)
            at += len(text.encode()) + 1


def test_whole_texts_are_quotes(vocab: Vocabulary) -> None:
    rng = random.Random(5)
    for least in (1, 4):
        evidence = Evidence(random_evidence(rng, 12).texts[1:])
        constraint = verbatim_text(evidence, vocab, least=least)
        most_of = min(least, max(map(len, evidence.texts)))
        for most in (None, *range(4 * least, 4 * least + 6)):
            for text in texts_of(constraint, range(6), most):
                assert evidence.find(text), text
                assert len(text) >= most_of
                assert constraint.validate(text) is None
    assert constraint.validate("\x00\x00") is not None


def test_masks_of_whole_texts_are_those_of_brute_force(vocab: Vocabulary) -> None:
    rng = random.Random(6)
    evidence = random_evidence(rng, 12)
    matcher, said = verbatim_text(evidence, vocab, least=2).start(), b""
    whole = {t.encode() for text in evidence.texts for t in _substrings(text) if len(t) >= 2}
    while not matcher.ended:
        allowed = set(laws.allowed_tokens(matcher))
        wanted = {
            token
            for token, text in enumerate(vocab.tokens)
            if token and text and any(line.startswith(said + text) for line in whole)
        }
        assert allowed == wanted | ({0} if said in whole else set())
        token = rng.choice(sorted(allowed - {0}) or [0])
        matcher.advance(token)
        said += vocab.tokens[token] if token else b""


def _substrings(text: str) -> set[str]:
    return {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)}


def test_a_budget_that_is_too_small_is_told(vocab: Vocabulary) -> None:
    with pytest.raises(LimitReached, match="2 are allowed"):
        verbatim_text(Evidence(["-----"]), vocab, least=4).start().limit(2)


def test_together_with_another_constraint(vocab: Vocabulary) -> None:
    evidence = Evidence(["ab1 ab", "1é"])
    schema = {"type": "object", "properties": {"q": QUOTE}, "required": ["q"]}
    one = json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
    other = json_schema({"type": "object", "maxProperties": 1}, vocab)
    for matcher in laws.walk(All(one, other), 1, 30):
        members: Any = matcher
        laws.check_intersection_law(matcher, members._members)
    for text in texts_of(All(one, other), range(4)):
        assert one.validate(text) is None


@pytest.mark.parametrize(
    "make", [lambda v: json_schema(QUOTE, v), lambda v: Spec.from_schema(QUOTE).compile(v)]
)
def test_without_evidence_it_is_refused(
    make: Callable[[Vocabulary], Any], vocab: Vocabulary
) -> None:
    with pytest.raises(EvidenceError, match="no evidence") as caught:
        make(vocab)
    assert "--evidence" in caught.value.hint
    assert caught.value.exit_code == 3
    for passages in ([], ["", ""]):
        with pytest.raises(EvidenceError):
            Spec.from_schema(QUOTE).over(passages)
    assert Spec.from_schema({"type": "string"}).over([]).compile(vocab).validate('""') is None


def test_what_the_evidence_cannot_fill_is_left_out_or_refused(vocab: Vocabulary) -> None:
    never = {**QUOTE, "pattern": "^zz$"}
    evidence = Evidence(["ab"])
    optional = {"type": "object", "properties": {"q": never}, "additionalProperties": False}
    constraint = json_schema(optional, vocab, bounds=Bounds(), evidence=evidence)
    assert set(texts_of(constraint, range(4))) == {"{}"}
    needed = json_schema({**optional, "required": ["q"]}, vocab, evidence=evidence)
    with pytest.raises(DeadEnd, match="holds no text"):
        laws.allowed_tokens(needed.start())
    with pytest.raises(DeadEnd, match="character"):
        verbatim_text(Evidence(["\ud800"]), vocab)


def test_constraints_of_other_evidence_are_others(vocab: Vocabulary) -> None:
    spec = Spec.from_schema(QUOTE)
    one, other = spec.over(["ab"]), spec.over(["b1"])
    assert one.key != other.key
    assert one.compile(vocab) is spec.over(["ab"]).compile(vocab)
    assert one.compile(vocab).key != other.compile(vocab).key
    assert one.compile(vocab).validate('"ab"') is None
    assert other.compile(vocab).validate('"ab"') is not None
    assert Spec.from_evidence().over(["ab"]).compile(vocab).validate("ab") is None


@pytest.mark.parametrize(
    ("field", "marked"),
    [
        ("a", ["/properties/a"]),
        ("items.quote", ["/properties/items/items/properties/quote"]),
        ("list", ["/properties/list/items/items"]),
        ("ref.x", ["/properties/ref/properties/x"]),
        ("maybe.y", ["/properties/maybe/anyOf/1/properties/y"]),
        ("any", ["/properties/any"]),
        (".", [""]),
    ],
)
def test_fields_are_marked_where_they_lead(field: str, marked: list[str]) -> None:
    from tether.grammars.json_schema.walk import subschemas

    schema: Any = {
        "$defs": {"r": {"properties": {"x": {"$ref": "#/$defs/s"}}}, "s": {"type": "string"}},
        "properties": {
            "a": {"$ref": "#/$defs/s"},
            "b": {"$ref": "#/$defs/s"},
            "items": {"type": "array", "items": {"properties": {"quote": {"type": "string"}}}},
            "list": {"items": {"items": {"type": "string"}}},
            "ref": {"$ref": "#/$defs/r"},
            "maybe": {"anyOf": [{"type": "null"}, {"properties": {"y": {}}}]},
            "any": True,
        },
    }
    before = json.dumps(schema)
    found = [at for at, part in subschemas(with_marks(schema, [field])) if part.get(*MARK)]
    assert found == marked
    assert json.dumps(schema) == before
    with pytest.raises(UsageError, match=r"no value at 'a\.nothing'"):
        with_marks(schema, ["a.nothing"])


def test_wrong_marks_are_refused(vocab: Vocabulary) -> None:
    for mark in ("yes", {"min_length": 0}, {"least": 1}, 3):
        schema = {"type": "string", "x-tether-verbatim": mark}
        with pytest.raises(SchemaError, match="x-tether-verbatim"):
            json_schema(schema, vocab, evidence=Evidence(["a"]))
    plain = {"type": "string", "x-tether-verbatim": False}
    assert json_schema(plain, vocab).validate('"anything"') is None


def test_a_token_that_crosses_into_a_quote_is_walked_through(vocab: Vocabulary) -> None:
    tokens = {text: token for token, text in enumerate(vocab.tokens)}
    schema = {"type": "array", "items": QUOTE, "minItems": 2}
    for texts, is_allowed in ((["b", "a"], True), (["b", "1"], False)):
        matcher = json_schema(schema, vocab, bounds=Bounds(), evidence=Evidence(texts)).start()
        assert (tokens[b'["a'] in laws.allowed_tokens(matcher)) == is_allowed
    for one, two in pairwise(["[", '"b', '","', "b", '"]']):
        assert one + two  # the ways below are of these pieces
    matcher = json_schema(schema, vocab, bounds=Bounds(), evidence=Evidence(["b", "é"])).start()
    for piece in (b'"', b"b", b'","', b"\xc3", b"\xa9", b'"', b"]"):
        if not matcher.prefix_length([tokens[piece]]):
            matcher.advance(tokens[b"["])
        matcher.advance(tokens[piece])
    assert matcher.can_end


@pytest.mark.parametrize("keyword", ["not", "if"])
def test_a_mark_that_says_what_is_no_quote_is_refused(keyword: str, vocab: Vocabulary) -> None:
    schema = {"properties": {keyword: QUOTE, "a": {keyword: QUOTE}}}
    with pytest.raises(SchemaError, match=f"under '{keyword}'") as caught:
        json_schema(schema, vocab, evidence=Evidence(["a"]))
    assert caught.value.pointer == f"/properties/a/{keyword}/x-tether-verbatim"


def test_a_place_that_cannot_be_filled_in_is_told_at_once(vocab: Vocabulary) -> None:
    schema = json.loads(json.dumps(FILLED))
    schema["items"]["properties"]["start"] = {"type": "boolean"}
    constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=Evidence(["ab"]))
    with pytest.raises(DeadEnd):
        laws.allowed_tokens(constraint.start())
