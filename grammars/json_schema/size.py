"""How large a schema may be: absurd ones are refused before any work is done on them."""

from __future__ import annotations

from typing import Any

from tether.errors import SchemaError
from tether.types import Json

MOST_CHARACTERS = 20_000_000
MOST_VALUES = 150_000
"""Objects, arrays and scalars; the largest published schemas have some tens of thousands."""


def check_size(text: str, value: Json) -> None:
    """Refuse a schema that would take seconds or gigabytes.

    Args:
        text: The schema as it was written.
        value: The same, read.

    Raises:
        SchemaError: With the number that is too large and the largest allowed.
    """
    if len(text) > MOST_CHARACTERS:
        raise _too_large(f"{len(text):,} characters", MOST_CHARACTERS)
    if text.count(",") + text.count(":") < MOST_VALUES:  # a bound on the number of values
        return
    number = num_values(value)
    if number > MOST_VALUES:
        raise _too_large(f"{number:,} values", MOST_VALUES)


def num_values(value: Any) -> int:  # noqa: ANN401
    """How many values an object or array is made of, itself included."""
    number, waiting = 1, [value]
    while waiting:
        part = waiting.pop()
        inner = part.values() if isinstance(part, dict) else part
        number += len(inner)
        waiting.extend(each for each in inner if isinstance(each, dict | list))
    return number


def _too_large(what: str, most: int) -> SchemaError:
    return SchemaError(
        f"The schema has {what}; at most {most:,} are allowed.",
        hint="Split it, or replace long lists of values by a pattern or a range.",
        pointer="",
    )
