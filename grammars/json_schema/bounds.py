"""Bounds that generation puts on a schema's free ends, so that greedy text cannot run away.

A bounded mask holds some of what the schema's own holds, and never nothing where that holds
something; the oracle judges by the user's own schema.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far open ends may go when text is generated; 0 leaves them open.

    Attributes:
        max_string: Code points of a string without a bound of its own.
        max_items: Items of an array without a bound of its own.
        extras: Whether properties that the schema does not name may be invented.
    """

    max_string: int = 256
    max_items: int = 64
    extras: bool = False


UNBOUNDED = Bounds(max_string=0, max_items=0, extras=True)
"""All that the schema allows, still written the plain way: declared order, no exponents."""
