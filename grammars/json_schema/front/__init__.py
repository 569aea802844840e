"""The front end of JSON Schema: a schema -> the grammar text of its mask.

The language of the grammar holds every JSON text that the schema accepts, and as little else as is
cheap to leave out; `Front.exact` says whether it holds nothing else. Objects never name a known
key twice. The oracle decides what the grammar leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs import CanonicalSchema
from jsonschema_rs.canonical import Satisfiability

from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front.compiler import Compiler
from tether.grammars.json_schema.front.entailed import check_entailed
from tether.grammars.json_schema.front.refuse import no_value
from tether.grammars.json_schema.front.strain import Strain, on_deep_stack
from tether.grammars.json_schema.front.tokens import Style
from tether.grammars.json_schema.front.weaker import (
    names_drafts,
    weaker,
    without_refused,
    without_repeated_draft,
)
from tether.types import Json, Order, Whitespace

__all__ = ["Front", "front"]

_MOST_REFUSED = 10


@dataclass(frozen=True, slots=True)
class Front:
    """The mask of a schema.

    Attributes:
        grammar: Text for the engine, options included.
        exact: Whether its language is the schema's own, but for the spelling of numbers (`2.0`,
            exponents) and for `bounds`.
        containers: Whether it holds arrays and objects so, and at most strings and numbers not.
        extras: Whether objects may hold keys the schema does not name, which only the oracle
            keeps from coming twice.
    """

    grammar: str
    exact: bool
    containers: bool
    extras: bool


def front(
    schema: Json,
    *,
    order: Order = "declared",
    whitespace: Whitespace = "compact",
    bounds: Bounds | None = None,
    validate_formats: bool = True,
    draft: int | None = None,
    registry: jsonschema_rs.Registry | None = None,
    retriever: jsonschema_rs.RetrieverProtocol | None = None,
) -> Front:
    """The mask of `schema`.

    Args:
        schema: The schema as JSON.
        order: Order of properties when generating: as declared, or any; extras wait for what is
            required. Without bounds every order is taken.
        whitespace: "compact" allows none but, without bounds, one space after comma and colon;
            "flexible" allows up to 64 characters between any two tokens.
        bounds: Bounds on open ends, for generating; None judges whole texts.
        validate_formats: Whether `format` asserts.
        draft: The draft of a schema that does not say it.
        registry: Schemas that references may lead to.
        retriever: Fetches schemas that are nowhere else; without it nothing is fetched.

    Raises:
        SchemaError: No value satisfies the schema; with the pointers of what contradicts.
    """
    options: dict[str, Any] = {
        "validate_formats": validate_formats,
        "draft": draft,
        "registry": registry,
        "retriever": retriever,
        "offline": retriever is None,
    }
    if names_drafts(schema):
        schema = without_repeated_draft(schema)
    strain = Strain(schema)
    compiler = Compiler(schema, Style(order, whitespace, bounds), validate_formats)
    if strain.is_dynamic:
        compiler.grammar.loosen()
    if strain.too_wide:
        compiler.grammar.loosen()
        schema = weaker(schema)[-1]
        strain = Strain(schema)
    if strain.too_wide or strain.too_deep or names_drafts(schema):
        return _loose(compiler, schema)
    if strain.deep:
        return on_deep_stack(lambda: _front(compiler, schema, options))
    return _front(compiler, schema, options)


def _front(compiler: Compiler, schema: Json, options: dict[str, Any]) -> Front:
    node = _canonical(compiler, schema, options)
    if node is None:
        return _loose(compiler, schema)
    text = compiler.text(node)
    if text is None or node.satisfiability() == Satisfiability.NO:
        raise no_value(schema, options)
    grammar = compiler.grammar
    if not grammar.exact:
        check_entailed(schema, options)
    return Front(text, grammar.exact, grammar.containers, grammar.extras)


def _canonical(compiler: Compiler, schema: Json, options: dict[str, Any]) -> CanonicalSchema | None:
    """The canonical schema; None where the library cannot make one, and the oracle judges alone.

    Values that its meta-schema refuses, such as patterns of another dialect, are left out.
    """
    rest: Json | None = schema
    for _ in range(_MOST_REFUSED):
        try:
            return jsonschema_rs.canonicalize(rest, **options)  # type: ignore[arg-type]
        except jsonschema_rs.ValidationError as error:
            compiler.grammar.loosen()
            rest = without_refused(rest, error.instance_path)
        except (ValueError, jsonschema_rs.ReferencingError):
            return None
        if rest is None:
            return None
    return None


def _loose(compiler: Compiler, schema: Json) -> Front:
    """Any value of the types that a schema names at its root."""
    named = schema.get("type") if isinstance(schema, dict) else None
    types = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    known: Json = {"type": types} if types else True  # type: ignore[dict-item]
    node = _canonical(compiler, known, {})
    text = compiler.text(node) if node else None
    text = text or compiler.grammar.text(compiler.grammar.any_value())
    return Front(text, exact=False, containers=False, extras=True)
