"""How long a quote can be that begins here and also has a given shape.

The automata of the shapes run from all places at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tether.grammars.json_schema.front.automaton import DEAD, START, Automaton
from tether.grammars.verbatim.suffixes import Ints, Suffixes

_FURTHEST = 4096
"""Characters that a quote with a shape is followed for: it ends before."""


def longest_fits(suffixes: Suffixes, shapes: Sequence[Automaton], most: int | None) -> Ints:
    """Characters of the longest quote from each place that all `shapes` hold; 0 for none.

    Args:
        suffixes: Of the evidence.
        shapes: Automata of whole quotes.
        most: The most characters of a quote; None for no limit.

    Returns:
        int32 [n], beside `suffixes.order`.
    """
    longest = np.zeros(len(suffixes.order), dtype=np.int32)
    letters = [np.searchsorted(s.bounds, suffixes.codes, side="right") - 1 for s in shapes]
    alive, begins = np.arange(len(longest)), suffixes.count[suffixes.order]
    states = [np.full(len(alive), START) for _ in shapes]
    for length in range(1, min(_FURTHEST, most or _FURTHEST) + 1):
        going = suffixes.room[alive] >= length
        alive, states = alive[going], [state[going] for state in states]
        at = begins[alive] + length - 1
        steps = zip(shapes, states, letters, strict=True)
        states = [shape.steps[state, letter[at]] for shape, state, letter in steps]
        going = np.all([state != DEAD for state in states], axis=0)
        alive, states = alive[going], [state[going] for state in states]
        if not alive.size:
            break
        pairs = zip(shapes, states, strict=True)
        longest[alive[np.all([shape.ends[state] for shape, state in pairs], axis=0)]] = length
    return longest
