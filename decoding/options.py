"""Methods named by a text: `NAME[:WEIGHT][,KEY=VALUE...]` to a frozen object with its options."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import Field, field, fields
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_type_hints

from tether.errors import UsageError

Kind = TypeVar("Kind")


def option(
    default: Any,  # noqa: ANN401  # the field's own type
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    form: tuple[str, str] = ("", ""),
) -> Any:  # noqa: ANN401
    """A field that users set.

    Args:
        default: Its value where nobody does.
        meaning: For people.
        low: The least number.
        high: The largest number.
        form: For texts: the regex that they match, and its words for people.
    """
    metadata = {"meaning": meaning, "low": low, "high": high, "form": form}
    return field(default=default, metadata=metadata)


def parse(text: str, kinds: Mapping[str, type[Kind]], word: str) -> Kind:
    """One method with its options.

    Args:
        text: As users write it.
        kinds: Dataclasses whose fields are made by `option`, by name.
        word: What people call a method of these.

    Raises:
        UsageError: The name, an option or a value is wrong; the hint says what there is.
    """
    head, *pairs = re.split(r",(?=[^,=]*=)", text)
    name, colon, weight = head.partition(":")
    kind = kinds.get(name.strip())
    if kind is None:
        raise UsageError(f"There is no {word} {name.strip()!r}.", hint=suggest(name, kinds))
    given: dict[str, Any] = {}
    for pair in [f"weight={weight}"] * bool(colon) + pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        given[key] = _value(kind, name.strip(), key, value)
    return kind(**given)


def refuse_twice(names: list[str], word: str) -> None:
    """Refuse a method that is named more than once.

    Raises:
        UsageError: There is one.
    """
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"The {word} {name!r} is named twice.", hint="Keep one of them.")


def options(kind: type[Any]) -> tuple[Field[Any], ...]:
    """The options of a method, weight first."""
    return fields(kind)


def _value(kind: type[Any], name: str, key: str, text: str) -> object:
    """The value of an option as its type."""
    known = {field.name: field for field in options(kind)}
    if key not in known:
        raise UsageError(f"{name} has no option {key!r}.", hint=suggest(key, known))
    place = f"{name}: {key}={text}"
    wanted = get_type_hints(kind)[key]
    if wanted is bool:
        return _flag(text, place)
    if choices := get_args(wanted):
        if text not in choices:
            raise UsageError(f"{place} is wrong.", hint=f"Use {' or '.join(choices)}.")
        return text
    if wanted is str:
        return _formed(text, known[key], place)
    return _number(wanted, text, known[key], place)


def _flag(text: str, place: str) -> bool:
    if text not in ("yes", "no", "true", "false"):
        raise UsageError(f"{place} is wrong.", hint="Use yes or no.")
    return text in ("yes", "true")


def _formed(text: str, field: Field[Any], place: str) -> str:
    pattern, words = field.metadata["form"]
    if not re.fullmatch(pattern, text):
        raise UsageError(f"{place} is wrong.", hint=f"Use {words}.")
    return text


def _number(wanted: type[float], text: str, field: Field[Any], place: str) -> float:
    low, high = field.metadata["low"], field.metadata["high"]
    bounds = f"a {'whole ' if wanted is int else ''}number from {low:g}" + (
        f" to {high:g}" if high is not None else ""
    )
    try:
        number = wanted(text)
    except ValueError:
        number = math.nan
    if not low <= number <= (math.inf if high is None else high) or math.isinf(number):
        raise UsageError(f"{place} is wrong.", hint=f"Use {bounds}.")
    return number


def suggest(wrong: str, known: Collection[str]) -> str:
    """What to say to a name that is not known: the nearest ones, else all."""
    near = get_close_matches(wrong, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are {', '.join(known)}."
