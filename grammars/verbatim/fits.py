"""How long a quote can be that begins here and also matches regular expressions.

The expressions become automata over bytes, which run from all places at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tether.grammars.verbatim.suffixes import Ints, Suffixes

_DEAD = 0
_FURTHEST = 4096
"""Bytes that a quote with a shape is followed for: it ends before."""


def longest_fits(suffixes: Suffixes, bodies: Sequence[str], most: int | None) -> Ints:
    """Characters of the longest quote from each place that matches all `bodies`; 0 for none.

    Args:
        suffixes: Of the evidence.
        bodies: Regexes of the whole spelled quote.
        most: The most characters of a quote; None for no limit.

    Returns:
        int32 [n], beside `suffixes.order`.
    """
    machines = [_machine(body) for body in bodies]
    longest = np.zeros(len(suffixes.order), dtype=np.int32)
    alive = np.arange(len(suffixes.order))
    states = [np.full(len(alive), start) for start, _, _ in machines]
    for depth in range(_FURTHEST):
        at = suffixes.order[alive] + depth
        byte = suffixes.bytes[at]
        states = [steps[state, byte] for state, (_, steps, _) in zip(states, machines, strict=True)]
        characters = suffixes.count[at + 1] - suffixes.count[suffixes.order[alive]]
        going = np.all([state != _DEAD for state in states], axis=0)
        if most is not None:
            going &= characters <= most
        alive, characters = alive[going], characters[going]
        states = [state[going] for state in states]
        if not alive.size:
            break
        ends = np.all(
            [good[state] for state, (_, _, good) in zip(states, machines, strict=True)], axis=0
        )
        longest[alive[ends]] = characters[ends]
    return longest


@lru_cache(maxsize=64)
def _machine(body: str) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The automaton of a regex: its start, steps int64 [states, 256], and which states are ends.

    No step leads on from `BREAK`, which is no byte of a text.
    """
    from outlines_core import Index, Vocabulary

    letters = Vocabulary(256, {bytes([byte]): [byte] for byte in range(255)})
    index = Index(f"(?:{body})", letters)
    transitions, ends = index.get_transitions(), index.get_final_states()
    names = {index.get_initial_state(), *transitions, *ends}
    names.update(state for steps in transitions.values() for state in steps.values())
    number = {name: n for n, name in enumerate(sorted(names), 1)}
    steps = np.full((len(names) + 1, 256), _DEAD)
    for name, row in transitions.items():
        for byte, target in row.items():
            if byte < 255:
                steps[number[name], byte] = number[target]
    good = np.zeros(len(names) + 1, dtype=np.bool_)
    good[[number[name] for name in ends]] = True
    return number[index.get_initial_state()], steps, good
