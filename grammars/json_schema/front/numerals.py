"""Integer and number views -> expressions."""

from __future__ import annotations

import json
from decimal import Decimal

from jsonschema_rs.canonical import IntegerView, NumberView

from tether.grammars.json_schema.front.grammar import Grammar
from tether.grammars.json_schema.front.literals import literal
from tether.grammars.json_schema.front.numbers import (
    Span,
    common_multiple,
    listed_multiples,
    multiples_regex,
    span_terminal,
)

_FARTHEST = 10**15
"""Bounds within which the engine counts multiples exactly."""
_MOST_REMAINDERS = 500
"""The largest step: the engine holds a state for every remainder."""
_EXPONENT = r"(\.[0-9]+)?[eE][+-]?[0-9]+"


def number_value(grammar: Grammar, view: IntegerView | NumberView) -> str | None:
    """The expression of a number; None where there is none."""
    span = _span(view)
    if view.not_multiple_of or (isinstance(view, NumberView) and view.excludes_integers):
        grammar.loosen(is_scalar=True)
    if clipped := span.clipped():
        if clipped != span:
            grammar.loosen(is_scalar=True)
        span = clipped
    step = _step(grammar, view)
    if step is not None and step != 1:
        return _multiples(grammar, span, step)
    span = Span(span.low, span.high, span.open_low, span.open_high, span.whole or step == 1)
    return _plain(grammar, span)


def _plain(grammar: Grammar, span: Span) -> str | None:
    if span.free:
        return "INT" if span.whole else "NUM"
    body = span_terminal(span, grammar.style.judging)
    return grammar.terminal(body, "N") if body else None


def _span(view: IntegerView | NumberView) -> Span:
    low, high = (None if b is None else Decimal(str(b)) for b in (view.minimum, view.maximum))
    if isinstance(view, IntegerView):
        return Span(low, high, whole=True)
    return Span(low, high, view.exclusive_minimum, view.exclusive_maximum)


def _step(grammar: Grammar, view: IntegerView | NumberView) -> Decimal | None:
    """What the number must be a multiple of, as far as the mask can hold it."""
    steps = [Decimal(str(step)) for step in view.multiple_of]
    if not steps:
        return None
    if isinstance(view, IntegerView):
        steps.append(Decimal(1))
    step = common_multiple(steps)
    if step is None:
        grammar.loosen(is_scalar=True)
    return step


def _multiples(grammar: Grammar, span: Span, step: Decimal) -> str | None:
    judging = grammar.style.judging
    values = listed_multiples(span, step)
    if values is not None:
        body = " | ".join(literal(v, judging) for v in values)
        return grammar.terminal(body, "N") if body else None
    regex = multiples_regex(step, judging)
    if regex is None:
        return _counted(grammar, span, step)
    body = f"/{regex}/"
    if judging:
        body += rf" | /-?(0|[1-9][0-9]*){_EXPONENT}/"
    if not span.free or not judging:
        bounds = span_terminal(span, judging)
        body = f"({body}) & ({bounds})"
    return grammar.terminal(body, "N")


def _counted(grammar: Grammar, span: Span, step: Decimal) -> str | None:
    """Multiples that the engine's own JSON compiler counts."""
    whole = Span(span.low, span.high, span.open_low, span.open_high, step == int(step))
    ends = [b for b in (span.low, span.high) if b is not None]
    if not whole.whole or step > _MOST_REMAINDERS or any(abs(b) > _FARTHEST for b in ends):
        grammar.loosen(is_scalar=True)
        return _plain(grammar, whole)
    judging = grammar.style.judging
    schema: dict[str, object] = {"type": "integer", "multipleOf": int(step)}
    low = span.low if judging or span.low is not None else Decimal(-_FARTHEST)
    high = span.high if judging or span.high is not None else Decimal(_FARTHEST)
    if low is not None:
        schema["exclusiveMinimum" if span.open_low else "minimum"] = float(low)
    if high is not None:
        schema["exclusiveMaximum" if span.open_high else "maximum"] = float(high)
    text = f"%json {json.dumps(schema)}"
    return f"({text} | {_long_spelling(grammar, whole)})" if judging else text


def _long_spelling(grammar: Grammar, span: Span) -> str:
    """Integers with a fraction of zeros or an exponent: of these the oracle knows the remainder.

    One terminal, for the engine's lexer would prefer any number to two terminals in a row.
    """
    body = rf"/-?(0|[1-9][0-9]*)(\.0+|{_EXPONENT})/"
    bounds = "" if span.free else f" & ({span_terminal(span, judging=True)})"
    return grammar.terminal(f"{body}{bounds}", "N")
