"""Arrays and objects that stand in const and enum -> rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tether.grammars.json_schema.front.literals import literal
from tether.grammars.json_schema.front.members import Member, Members, write_object

if TYPE_CHECKING:
    from tether.grammars.json_schema.front.compiler import Compiler


def write_constant(compiler: Compiler, name: str, value: object) -> None:
    """Define the rule `name` as the spellings of one array or object."""
    if isinstance(value, dict):
        _write_object(compiler, name, value)
        return
    items = [_part(compiler, name, item) for item in (value if isinstance(value, list) else ())]
    compiler.grammar.rule(name, f"LS {' COMMA '.join(items)} RS" if items else 'LS "]"')


def _write_object(compiler: Compiler, name: str, value: dict[str, Any]) -> None:
    grammar, judging = compiler.grammar, compiler.grammar.style.judging
    names = list(value) if judging else compiler.order.sorted(value)
    known = [
        Member(grammar.key(key), _part(compiler, name, value[key]), required=True) for key in names
    ]
    write_object(grammar, name, Members(known, [], ordered=not judging))


def _part(compiler: Compiler, name: str, value: object) -> str:
    from tether.grammars.json_schema.front.compiler import Part

    if isinstance(value, dict | list):
        return compiler.later(Part(name), lambda own: write_constant(compiler, own, value))
    return compiler.grammar.terminal(literal(value, compiler.grammar.style.judging), "V")
