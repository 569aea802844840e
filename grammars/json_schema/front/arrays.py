"""Array views -> rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jsonschema_rs.canonical import ArrayView, Distinctness, EnumView

from tether.grammars.json_schema.front.literals import literal

if TYPE_CHECKING:
    from tether.grammars.json_schema.front.compiler import Compiler, Part

_MOST_COUNTED = 5000
_MOST_PREFIXED = 200
"""Items with a schema of their own; later ones are left to the oracle."""
_MOST_BITS = 63


def write_array(compiler: Compiler, name: str, view: ArrayView, part: Part) -> None:
    """Define the rule `name` as the arrays of a view."""
    grammar, low = compiler.grammar, view.min_items or 0
    high = _most(compiler, view, low, part)
    if view.contains or view.distinctness == Distinctness.SOME_REPEATED:
        grammar.loosen()
    if view.distinctness == Distinctness.ALL_DISTINCT and (high is None or high > 1):
        if _write_distinct(compiler, name, view, low, high):
            return
        grammar.loosen()
    if max(low, high or 0) > _MOST_COUNTED:
        grammar.loosen()
        low = min(low, _MOST_COUNTED)
        high = None if high is not None and high > _MOST_COUNTED else high
    _write_sequence(compiler, name, view, part, low, high)


def _most(compiler: Compiler, view: ArrayView, low: int, part: Part) -> int | None:
    """The most items, a bound on free ends included."""
    bounds = compiler.grammar.style.bounds
    if view.max_items is not None or not (part.free and bounds and bounds.max_items):
        return view.max_items
    wanted = sum(1 if c.min_contains is None else c.min_contains for c in view.contains)
    return max(bounds.max_items, low, wanted, len(view.prefix_items))


def _write_sequence(
    compiler: Compiler, name: str, view: ArrayView, part: Part, low: int, high: int | None
) -> None:
    """Items one after the other: `NAMEt3` is what follows the third."""
    grammar = compiler.grammar
    given = view.prefix_items
    prefix = [compiler.value(item, part.below(name)) for item in given[:_MOST_PREFIXED]]
    stop = next((i for i, value in enumerate(prefix) if value is None), len(prefix))
    prefix = prefix[:stop]
    item, rest = None, view.items
    if len(given) > _MOST_PREFIXED:
        grammar.loosen()
        rest = None
    if stop == len(given[:_MOST_PREFIXED]) and (high is None or high > stop):
        item = grammar.any_value() if rest is None else compiler.value(rest, part.below(name))
    starts = [] if low else ['LS "]"']
    if high == 0 or not (prefix or item):
        grammar.rule(name, *(starts or ['LS "]"']))
        return
    if not prefix:
        grammar.rule(name, *starts, f"LS {item}{_repeated(item, low - 1, high, 1)} RS")
        return
    grammar.rule(name, *starts, f"LS {prefix[0]} {name}t1")
    for place in range(1, len(prefix) + 1):
        ends = ["RS"] if low <= place else []
        if place < len(prefix) and (high is None or place < high):
            grammar.rule(f"{name}t{place}", *ends, f"COMMA {prefix[place]} {name}t{place + 1}")
        elif item and place == len(prefix):
            grammar.rule(
                f"{name}t{place}", f"{_repeated(item, low - place, high, place)} RS".strip()
            )
        else:
            grammar.rule(f"{name}t{place}", "RS")


def _repeated(item: str | None, low: int, high: int | None, written: int) -> str:
    """The items after those written."""
    if high == written:
        return ""
    least, most = max(low, 0), "" if high is None else str(high - written)
    times = f"{{{least},{most}}}" if least or most else "*"
    return f" (COMMA {item}){times}"


def _write_distinct(
    compiler: Compiler, name: str, view: ArrayView, low: int, high: int | None
) -> bool:
    """Distinct values of a small enum, one bit for each; False where the items are no such enum."""
    items = view.items.view() if view.items is not None and not view.prefix_items else None
    if not isinstance(items, EnumView) or len(items.values) > _MOST_BITS:
        return False
    if any(isinstance(value, dict | list) for value in items.values):
        return False
    grammar, size = compiler.grammar, len(items.values)
    most = size if high is None else min(high, size)
    grammar.rule(name, *([] if low else ['LS "]"']), f"LS {name}m::0")
    values = (grammar.terminal(literal(v, grammar.style.judging), "V") for v in items.values)
    grammar.rule(
        f"{name}m::_",
        *(f"{v} {name}r::set_bit({i}) %if bit_clear({i})" for i, v in enumerate(values)),
    )
    grammar.rule(
        f"{name}r::_",
        f"RS %if bit_count_ge(_, {low})",
        f"COMMA {name}m::_ %if bit_count_lt(_, {most})",
    )
    return True
