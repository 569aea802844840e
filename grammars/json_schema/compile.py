"""JSON Schema -> constraint, by llguidance's own JSON compiler in its strict mode.

What that compiler cannot hold exactly is refused here (see `refusal.py`), never widened.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tether.errors import SchemaError, UsageError
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.engine import ENGINE_OPTIONS, EngineConstraint, engine_message
from tether.grammars.json_schema.bounds import Bounds, bounded
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.source import read_schema
from tether.grammars.json_schema.walk import subschemas
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json, Order, Whitespace


class JsonConstraint(Constraint):
    """JSON that a schema accepts: llguidance's mask, jsonschema-rs as the last word."""

    def __init__(self, engine: EngineConstraint, oracle: Oracle, schema: Json) -> None:
        self.vocabulary = engine.vocabulary
        self.schema = schema
        self._engine = engine
        self._oracle = oracle

    @property
    def key(self) -> str:
        """Hash of the engine's key and of the user's own schema."""
        text = json.dumps(self.schema, ensure_ascii=False)
        return hashlib.sha256(f"{self._engine.key}\0{text}".encode()).hexdigest()

    @property
    def grammar(self) -> str:
        """The grammar text that the engine runs."""
        return self._engine.grammar

    def start(self) -> Matcher:
        """The engine's matcher, watched by the oracle, kept within a budget where one is set."""
        from tether.grammars.budget import BudgetedMatcher
        from tether.grammars.guarded import GuardedMatcher
        from tether.grammars.json_schema.judge import JsonJudge
        from tether.grammars.json_schema.shortest import Shortest

        judge = JsonJudge(self._oracle, watches=False)
        shortest = Shortest(self.schema, self.vocabulary)
        return BudgetedMatcher(GuardedMatcher(self._engine.start(), judge), shortest)

    def validate(self, text: str) -> str | None:
        """Why the user's own schema refuses `text`, or None."""
        return self._oracle.complaint(text)


def json_schema(
    schema: str | dict[str, Any] | bool,
    vocab: Vocabulary,
    *,
    order: Order = "declared",
    whitespace: Whitespace = "compact",
    bounds: Bounds | None = None,
    formats: str = "assert",
) -> Constraint:
    """JSON texts that `schema` accepts, nothing more and nothing less.

    Args:
        schema: JSON text, or its value.
        vocab: The tokens.
        order: "declared" writes properties in the order of the schema.
        whitespace: "compact" allows no white space but the one space that Python's `json.dumps`
            puts after a comma and a colon, and with `bounds` not even that; "flexible" allows up
            to 64 characters of it between any two tokens of the JSON text.
        bounds: Bounds on open ends, for generating; None is the schema's exact language.

    Raises:
        SchemaError: The schema is not one, or the engine cannot hold it exactly; with the JSON
            Pointer, the keyword and the cure.
        UsageError: `order` or `whitespace` is not one of the words above.
    """
    _check_words(order, whitespace)
    value, _ = read_schema(schema)
    oracle = Oracle(value)
    grammar = json_grammar(bounded(value, bounds) if bounds else value, whitespace, bounds is None)

    def refuse(message: str) -> SchemaError:
        from tether.grammars.json_schema.refusal import refusal

        return refusal(value, message, complaint)

    if value is False:
        raise SchemaError("The schema is false: no JSON text satisfies it.", pointer="")
    if fault := _silent_fault(value):
        raise refuse(fault)
    return JsonConstraint(EngineConstraint(grammar, vocab, refuse), oracle, value)


def revive(text: str, grammar: str, vocab: Vocabulary, **_: object) -> Constraint:
    """The constraint of a schema whose grammar text is already made."""
    value, _ = read_schema(text)
    return JsonConstraint(EngineConstraint(grammar, vocab), Oracle(value), value)


def json_grammar(schema: Json, whitespace: Whitespace, spaced: bool) -> str:
    """`schema` as a grammar text of the engine.

    Args:
        schema: An object or a boolean; its own `x-guidance`, which could loosen it, is left out.
        whitespace: See `json_schema`.
        spaced: Whether "compact" lets one space follow a comma and a colon.
    """
    body = dict(schema) if isinstance(schema, dict) else {} if schema else {"enum": []}
    space = " ?" if spaced else ""
    body["x-guidance"] = {
        "whitespace_flexible": whitespace == "flexible",
        "whitespace_pattern": r"[ \n\r\t]{0,64}" if whitespace == "flexible" else None,
        "item_separator": "," + (space if whitespace == "compact" else ""),
        "key_separator": ":" + (space if whitespace == "compact" else ""),
        "coerce_one_of": False,
        "lenient": False,
    }
    return f"{ENGINE_OPTIONS}start: %json {json.dumps(body, ensure_ascii=False)}\n"


def complaint(schema: Json) -> str:
    """What the engine has against a schema, without looking at any tokens; "" for nothing."""
    return _silent_fault(schema) or engine_message(json_grammar(schema, "compact", spaced=True))


def _silent_fault(schema: Json) -> str:
    """What the engine would get wrong without a word: it reads integers as floats."""
    for _, part in subschemas(schema):
        values = [part.get("const"), *_listed(part.get("enum"))]
        if any(isinstance(v, int) and _is_rounded(v) for v in values):
            return "integers of more than 53 bits would be rounded"
    return ""


def _is_rounded(value: int) -> bool:
    return abs(value) > 2**53 and (abs(value) > 10**300 or int(float(value)) != value)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _check_words(order: str, whitespace: str) -> None:
    if order not in ("declared", "any"):
        raise UsageError(f"order is {order!r}.", hint='Use "declared" or "any".')
    if order == "any":
        raise UsageError(
            'order="any" is not offered by the strict engine.',
            hint='Use order="declared"; properties come in the order of the schema.',
        )
    if whitespace not in ("compact", "flexible"):
        raise UsageError(f"whitespace is {whitespace!r}.", hint='Use "compact" or "flexible".')
