"""The trie of names against a sorted list of sequences."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tether.graphs import Place
from tether.grounding.graph.trie import Trie, write_trie

Sequence = tuple[int, ...]


def sequences(seed: int) -> list[Sequence]:
    """Some sequences over four tokens, prefixes of each other among them."""
    rng = random.Random(seed)
    count = rng.choice([0, 1, 2, 3, 10, 60])
    made = {tuple(rng.choices(range(4), k=rng.randint(1, 6))) for _ in range(count)}
    return rng.sample(sorted(made), len(made))


def walk(trie: Trie, prefix: Sequence) -> Place:
    place = trie.start()
    for token in prefix:
        longer = trie.step(place, token)
        assert longer is not None
        place = longer
    return place


@pytest.mark.parametrize("seed", range(60))
def test_every_place_of_random_tries(tmp_path: Path, seed: int) -> None:
    given = sequences(seed)
    order = write_trie(tmp_path, given)
    trie, names = Trie(tmp_path), sorted(given)
    assert [given[i] for i in order] == names
    chosen = random.Random(seed).sample(range(len(names)), len(names) // 2)
    among = np.array(sorted(chosen), np.uint32)
    for prefix in {name[:end] for name in names for end in range(len(name) + 1)} | {()}:
        place, depth = walk(trie, prefix), len(prefix)
        below = [i for i, name in enumerate(names) if name[:depth] == prefix]
        longer = [i for i in below if len(names[i]) > depth]
        assert trie.tokens(place).tolist() == sorted({names[i][depth] for i in longer})
        wanted = {names[i][depth] for i in longer if i in chosen}
        assert trie.tokens(place, among).tolist() == sorted(wanted)
        assert (place.low, place.high) == ((below[0], below[-1] + 1) if below else (0, 0))
        ended = trie.ended(place)
        assert (ended is not None) == (prefix in given)
        assert ended is None or names[ended] == prefix
        refused = {token for token in range(5) if trie.step(place, token) is None}
        assert refused == set(range(5)) - {names[i][depth] for i in longer}


def test_tokens_beyond_16_bits(tmp_path: Path) -> None:
    """Ids in the range of surrogates and above it, where tries over characters fail."""
    given = [(0xD800, 131_071), (0xDFFF,), (0xD800,)]
    write_trie(tmp_path, given)
    trie = Trie(tmp_path)
    assert trie.tokens(trie.start()).tolist() == [0xD800, 0xDFFF]
    assert trie.tokens(walk(trie, (0xD800,))).tolist() == [131_071]
    assert trie.ended(walk(trie, (0xD800,))) == 0
