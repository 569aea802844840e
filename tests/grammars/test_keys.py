"""A key that comes twice in its object is found, in whatever pieces the text comes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tether.grammars.json_schema.keys import Keys, scan_keys


def _in_pieces(text: bytes, rng: random.Random) -> tuple[int, int] | None:
    """Where the key is that was refused."""
    state, end = Keys(), 0
    while end < len(text):
        end = min(len(text), end + rng.randint(1, 7))
        state, refusal = scan_keys(state, text[:end])
        if refusal:
            return refusal.start, refusal.end
    return None


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ('{"a":1,"a":2}', '"a"'),
        ('{"a": 1, "a" : 2}', '"a"'),
        ('{"a":1,"\\u0061":2}', '"\\u0061"'),
        ('{"é":1,"\\u00e9":2}', '"\\u00e9"'),
        ('{"a":{"a":1},"b":[{"a":1},{"a":2}]}', None),
        ('{"a":"a","b":"\\"a\\":","c":["a","a"]}', None),
        ('[[{"x":[{}]}],{"x":"{"},{"y":1,"x":"}","y":2}]', '"y"'),
        ('["a","a"]', None),
        ('"a:"', None),
        ('{"":0,"":1}', '""'),
    ],
)
def test_keys_that_come_twice(text: str, twice: str | None) -> None:
    data = text.encode()
    for seed in range(20):
        found = _in_pieces(data, random.Random(seed))
        assert (None if found is None else data[slice(*found)].decode()) == twice


def test_keys_of_random_texts_come_once() -> None:
    rng = random.Random(3)
    for _ in range(300):
        text = json.dumps(_value(rng, 3), indent=rng.choice((None, 1))).encode()
        assert _in_pieces(text, rng) is None


def test_a_state_that_was_kept_is_gone_back_to() -> None:
    kept, _ = scan_keys(Keys(), b'{"a":')
    scan_keys(kept, b'{"a":1,"b":')
    assert scan_keys(kept, b'{"a":2,"b":')[1] is None


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(5 if depth else 3)
    if kind == 3:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return {f'k":{i}\\': _value(rng, depth - 1) for i in range(rng.randrange(4))}
    return rng.choice([None, -1.5e-7, 'a":b\\', "\\", "{[,:]}"])
