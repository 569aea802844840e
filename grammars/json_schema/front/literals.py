"""Scalar values of const and enum -> literals, in every way that `json.dumps` may spell them."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from tether.grammars.json_schema.front.grammar import literal_text

_WIDEST = 310
"""Digits up to which an integer is also offered as a float."""


def literal(value: object, judging: bool) -> str:
    """The body of the terminal of one scalar: a JSON value that is no array and no object."""
    if isinstance(value, str):
        return literal_text(value)
    if value is None:
        return '"null"'
    if isinstance(value, bool):
        return '"true"' if value else '"false"'
    assert isinstance(value, int | float | Decimal)
    return " | ".join(_number(value, judging))


def _number(value: int | float | Decimal, judging: bool) -> list[str]:
    exact = Decimal(str(value))
    spread = abs(exact.adjusted()) if exact else 0
    plain = format(exact, "f") if spread < _WIDEST else str(value)
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if plain in ("-0", ""):
        plain = "0"
    if not judging:
        return [f'"{plain}"']
    tail = "0*" if "." in plain else r"(\.0+)?"
    sign = "-?" if plain == "0" else ""
    found = [f"/{sign}{plain.replace('.', chr(92) + '.')}{tail}/"]
    if spread < _WIDEST - 2 and (isinstance(value, float | Decimal) or _is_float(exact)):
        short = repr(float(exact))
        found += [f'"{short}"'] if "e" in short else []
    return found


def _is_float(value: Decimal) -> bool:
    """Whether a float says exactly the same."""
    return isfinite(float(value)) and Decimal(float(value)) == value
