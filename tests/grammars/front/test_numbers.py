"""Masks of numbers hold every spelling that `json.dumps` makes of a valid one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

Accepts = Callable[..., bool]

STEPS: list[float] = [0.5, 0.25, 0.2, 0.125, 0.01, 1e-3, 1e-5, 2.5, 0.3, 1, 2, 3, 10, 25, 60, 700]
BOUNDS: list[dict[str, float]] = [
    {},
    {"minimum": 0},
    {"maximum": -1.5},
    {"exclusiveMinimum": -3, "exclusiveMaximum": 7000},
    {"minimum": 0.05, "maximum": 1e17},
]
WHOLE = (0, 1, 37, 89, 6300, 10**15, 21 * 10**16)
VALUES: list[float] = [
    *(step * count for step in STEPS for count in (-1000, -7, -2, -1, 0, 1, 2, 7, 1000)),
    *(float(sign * whole) for sign in (1, -1) for whole in WHOLE),
    *(1e-3, 2.5e-05, 1e16, 3e22, 99.99, 123456.75),
]


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize("step", STEPS)
def test_every_spelling_of_a_multiple(
    accepts: Accepts, step: float, bounds: dict[str, float]
) -> None:
    schema = {"type": "number", "multipleOf": step, **bounds}
    assert not _refused(accepts, schema)


@pytest.mark.parametrize("step", [0.5, 3, 7, 60, 700])
@pytest.mark.parametrize(
    "other", [{"maximum": 99.99}, {"type": "integer", "minimum": 5}, {}, {"const": 12}], ids=str
)
def test_a_multiple_beside_other_numbers(accepts: Accepts, step: float, other: Any) -> None:
    """The engine's lexer is greedy: a number in two terminals would lose against one in one."""
    assert not _refused(accepts, {"anyOf": [{"multipleOf": step}, other]})


def _refused(accepts: Accepts, schema: dict[str, Any]) -> list[str]:
    valid = jsonschema_rs.validator_for(schema).is_valid
    texts = {json.dumps(value) for value in VALUES if valid(value)}
    assert texts
    return [text for text in sorted(texts) if not accepts(schema, text)]
