"""Random small schemas against jsonschema-rs: no valid text is refused, exact means exact.

And the other way round: what random walks through a generating grammar write is JSON, never gets
stuck, and is valid where the grammar says that it is exact.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import numpy as np
import pytest

from tether.errors import SchemaError
from tether.grammars.constraint import allowed_ids
from tether.grammars.engine import EngineConstraint
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front import Front, front
from tether.grammars.vocabulary import Vocabulary

KEYS = ["a", "b", "ab", "c", "é", 'q"']
STRINGS = ["", "a", "ab", "abc", "b1", "12", "2020-02-29", "é", 'say "hi"', "a/b", "\n", "x@y.zz"]
PATTERNS = [
    "^a",
    "b$",
    "^[a-z]+$",
    "a|b",
    r"\d",
    "^(a|b1)$",
    "[^a]",
    r"^\w{1,3}$",
    "^.*$",
    "(^a|1$)",
]
FORMATS = ["date", "ipv4", "email", "uuid", "path", "json-pointer", "uri-reference"]
NUMBERS = [0, 1, -1, 2, 10, 99, 100, 1.5, -2.25, 0.1, 1000000, 1e20, 1e-5, 3, 6]


def schemas(rng: random.Random, depth: int = 3) -> Any:
    """A random schema over all families of keywords."""
    makers: list[Callable[[random.Random, int], Any]] = [a_string, a_number, an_enum, a_type]
    if depth:
        makers += [an_object, an_object, an_object, an_array, a_union, a_union]
    return rng.choice(makers)(rng, depth - 1)


def a_type(rng: random.Random, depth: int) -> Any:
    return rng.choice([True, {"type": "null"}, {}])


def a_string(rng: random.Random, depth: int) -> dict[str, Any]:
    if rng.random() < 0.2:  # alone: beside a pattern most formats allow nothing
        return {"type": "string", "format": rng.choice(FORMATS)}
    return some(
        rng,
        {"type": "string"},
        minLength=rng.randint(0, 3),
        maxLength=rng.randint(3, 5),
        pattern=rng.choice(PATTERNS),
    )


def a_number(rng: random.Random, depth: int) -> dict[str, Any]:
    low, high = sorted(rng.sample([-100, -10.5, -1, 0, 0.05, 1, 2.5, 7, 12, 99.99, 150], 2))
    return some(
        rng,
        {"type": rng.choice(["integer", "number"])},
        minimum=low,
        maximum=high,
        exclusiveMinimum=low,
        exclusiveMaximum=high,
        multipleOf=rng.choice([1, 2, 3, 5, 10, 0.5, 0.01, 25]),
    )


def an_enum(rng: random.Random, depth: int) -> dict[str, Any]:
    values = [
        *rng.sample(STRINGS, 2),
        *rng.sample(NUMBERS, 2),
        None,
        True,
        [1, "a"],
        {"a": 1, "b": []},
    ]
    return {"enum": rng.sample(values, rng.randint(1, 4))}


def an_object(rng: random.Random, depth: int) -> dict[str, Any]:
    names = rng.sample(KEYS, rng.randint(0, 4))
    return some(
        rng,
        {"type": "object", "properties": {name: schemas(rng, depth) for name in names}},
        required=rng.sample(KEYS, rng.randint(1, 2)),
        additionalProperties=rng.choice([False, False, schemas(rng, 0)]),
        minProperties=rng.randint(1, 3),
        maxProperties=rng.randint(1, 3),
        patternProperties={rng.choice(PATTERNS): schemas(rng, 0)},
        propertyNames={"pattern": rng.choice(PATTERNS)},
        dependentRequired={rng.choice(KEYS): [rng.choice(KEYS)]},
    )


def an_array(rng: random.Random, depth: int) -> dict[str, Any]:
    return some(
        rng,
        {"type": "array"},
        items=schemas(rng, depth),
        prefixItems=[schemas(rng, depth) for _ in range(rng.randint(1, 2))],
        minItems=rng.randint(0, 3),
        maxItems=rng.randint(0, 3),
        uniqueItems=True,
        contains=schemas(rng, 0),
    )


def a_union(rng: random.Random, depth: int) -> dict[str, Any]:
    keyword = rng.choice(["anyOf", "oneOf", "allOf", "anyOf", "if", "not"])
    if keyword == "if":
        return {"if": schemas(rng, depth), "then": schemas(rng, depth), "else": schemas(rng, depth)}
    if keyword == "not":
        return {"not": schemas(rng, depth)}
    return {keyword: [schemas(rng, depth) for _ in range(2)]}


def some(rng: random.Random, base: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """`base` with about a third of the other keywords."""
    return base | {name: value for name, value in optional.items() if rng.random() < 0.3}


def values(rng: random.Random, depth: int = 3) -> Any:
    """A random JSON value from the same small world."""
    kind = rng.randrange(9 if depth else 6)
    if kind < 2:
        return rng.choice(STRINGS)
    if kind < 5:
        return rng.choice(NUMBERS)
    if kind == 5:
        return rng.choice([None, True, False])
    if kind == 6:
        return [values(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {key: values(rng, depth - 1) for key in rng.sample(KEYS, rng.randint(0, 4))}


def cases(seeds: range) -> Iterator[tuple[random.Random, Any, jsonschema_rs.Validator]]:
    for seed in seeds:
        rng = random.Random(seed)
        schema = schemas(rng)
        if isinstance(schema, dict):
            yield rng, schema, jsonschema_rs.validator_for(schema, validate_formats=True)


def test_judging_holds_every_valid_text(byte_vocab: Vocabulary, whole: bool) -> None:
    num_exact = num_valid = 0
    for rng, schema, validator in cases(range(20_000 if whole else 400)):
        samples = [values(rng) for _ in range(60)]
        try:
            mask = front(schema)
        except SchemaError:
            assert not any(map(validator.is_valid, samples)), schema
            continue
        constraint = EngineConstraint(mask.grammar, byte_vocab)
        for value in samples:
            valid = validator.is_valid(value)
            text = json.dumps(value, ensure_ascii=False)
            accepted = constraint.validate(text) is None
            assert accepted or not valid, (schema, value)
            plain = "e+" not in text and "e-" not in text
            assert valid or not (accepted and mask.exact and plain), (schema, value)
            num_valid += valid
        num_exact += mask.exact
    assert num_exact > 100
    assert num_valid > 1000


@pytest.mark.parametrize("order", ["declared", "any"])
def test_generating_never_gets_stuck(byte_vocab: Vocabulary, whole: bool, order: Any) -> None:
    num_exact = 0
    for rng, schema, validator in cases(range(5_000 if whole else 150)):
        try:
            mask = front(schema, order=order, bounds=Bounds(max_string=8, max_items=3))
        except SchemaError:
            continue
        for _ in range(3):
            text = walk(rng, mask, byte_vocab, schema)
            if text is not None and mask.exact and not mask.extras:
                assert validator.is_valid(json.loads(text)), (schema, text, mask.grammar)
                num_exact += 1
    assert num_exact > 100


def walk(rng: random.Random, mask: Front, vocab: Vocabulary, schema: Any) -> str | None:
    """A random text of a grammar; None where it grew too long."""
    matcher = EngineConstraint(mask.grammar, vocab).start()
    bits = np.zeros(vocab.num_words, dtype=np.int32)
    tokens: list[int] = []
    closing = [vocab.encode(char)[0] for char in '"}],']
    while len(tokens) < 300:
        if matcher.can_end and (matcher.ended or rng.random() < 0.5):
            return vocab.decode(tokens)
        matcher.fill_mask(bits)
        allowed = allowed_ids(bits)
        allowed = allowed[allowed != vocab.eos_id]
        assert allowed.size, (schema, vocab.decode(tokens))
        short = [t for t in closing if t in allowed]
        token = rng.choice(short) if short and rng.random() < 0.4 else int(rng.choice(allowed))
        tokens.append(token)
        matcher.advance(token)
    return None
