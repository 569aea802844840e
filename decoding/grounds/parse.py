"""From `NAME[:WEIGHT][,KEY=VALUE...]` to a method of grounding, and what there is."""

from __future__ import annotations

from collections.abc import Sequence

from tether.decoding import options
from tether.decoding.grounds.caad import Caad
from tether.decoding.grounds.copying import Copy
from tether.decoding.grounds.grad import Grad
from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.grounds.kid import Kid
from tether.decoding.grounds.knn import Knn
from tether.decoding.grounds.knob import Turn
from tether.decoding.grounds.link import Link
from tether.decoding.grounds.memory import Memory
from tether.decoding.grounds.rapid import Rapid
from tether.grounding.evidence import Source

METHODS: dict[str, type[Ground]] = {
    kind.name: kind for kind in (Copy, Grad, Knn, Caad, Memory, Turn, Kid, Rapid, Link)
}
"""Every method by the name that users write."""


def parse_all(texts: Sequence[str]) -> tuple[Ground, ...]:
    """Methods that stand together.

    Raises:
        UsageError: One is wrong, or named twice.
    """
    grounds = tuple(options.parse(text, METHODS, "grounding") for text in texts)
    options.refuse_twice([ground.name for ground in grounds], "grounding")
    return grounds


def bind_all(grounds: Sequence[Ground], given: Given) -> tuple[Source, ...]:
    """The sources of a row; a method of weight 0, or with nothing to say, has none.

    Raises:
        EvidenceError: The index lacks what a method needs.
        UsageError: The model cannot do what a method needs.
    """
    bound = (ground.bind(given) for ground in grounds if ground.weight)
    return tuple(source for source in bound if source is not None)
