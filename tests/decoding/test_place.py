"""Where a growing JSON text stands."""

from __future__ import annotations

import json
import random

import pytest

from tether.decoding.grounds.place import Place

TEXT = rb'{"a\"b": {"c": ["d", {"e": "f\\"}]}, "g": "h"}'
KEYS = [b'a\\"b', b"c", b"e", b"g"]


def keys_of(text: bytes) -> list[bytes]:
    """What stands in keys, read byte by byte."""
    place, found, inside = Place(), [], False
    for end in range(1, len(text) + 1):
        if place.at(text[:end], 0).in_key:
            found += [b""] if not inside else []
            found[-1] += text[end - 1 : end] if inside else b""
        inside = place.in_key
    return found


def test_keys_and_nothing_else() -> None:
    assert keys_of(TEXT) == KEYS


@pytest.mark.parametrize("seed", range(20))
def test_random_documents(seed: int) -> None:
    rng = random.Random(seed)

    def value(depth: int) -> object:
        kind = rng.randrange(4 if depth else 2)
        if kind < 2:
            return rng.choice(["x", 'q"', "\\", "{", ",", "é", 5, None, ""])
        if kind == 2:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        return {f"k{rng.randrange(99)}": value(depth - 1) for _ in range(rng.randrange(4))}

    names: list[str] = []
    text = json.dumps(value(4))
    json.loads(text, object_pairs_hook=lambda pairs: names.extend(key for key, _ in pairs))
    assert sorted(keys_of(text.encode())) == sorted(name.encode() for name in names)


def test_taking_back_reads_again() -> None:
    place = Place()
    assert place.at(b'{"ab', 0).in_key
    assert not place.at(b'{"ab": "c', 0).in_key
    assert place.at(b'{"a', 1).in_key
    assert not place.at(b'{"x": "y', 2).in_key  # longer again, but another text
