"""JSON Schema -> constraint: the front end's mask, the oracle's last word, and a budget.

The mask holds every text that the schema accepts and as few others as can be had cheaply; what it
cannot hold the oracle refuses as the text grows (card: `canonical views -> parametric Lark`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from tether.errors import Unsatisfiable, UsageError
from tether.grammars.budget import BudgetedMatcher
from tether.grammars.cache import Entry
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.dead import DeadConstraint
from tether.grammars.engine import EngineConstraint
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front import Front, front
from tether.grammars.json_schema.judge import JsonJudge
from tether.grammars.json_schema.lint.own import VERBATIM, may_have_own, refuse_own
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.shortest import Shortest
from tether.grammars.json_schema.size import check_size
from tether.grammars.json_schema.source import read_schema
from tether.grammars.json_schema.token_limits import TokenLimitedMatcher, TokenLimits
from tether.grammars.json_schema.verbatim import JsonSlots, is_marked, needed
from tether.grammars.json_schema.verbatim_filling import keyword
from tether.grammars.json_schema.verbatim_writing import writable
from tether.grammars.spared import SparedMatcher
from tether.grammars.verbatim import Evidence, QuotingMatcher
from tether.grammars.vocabulary import Vocabulary
from tether.types import Formats, Json, Order, Whitespace


class JsonConstraint(Constraint):
    """JSON that a schema accepts.

    Args:
        engine: The mask: every text of the schema, and perhaps more.
        oracle: The exact judge.
        schema: The user's own schema.
        front: What the mask holds of the schema, and what it leaves to the oracle.
        style: Options of `front`: order, whitespace and bounds.
        own: Whether the schema may hold keywords of tether.
        slots: The strings that are quotes; None where there are none.
        written: The schema that quotes are written by.
    """

    def __init__(
        self,
        engine: EngineConstraint,
        oracle: Oracle,
        schema: Json,
        *,
        front: Front,
        style: dict[str, Any],
        own: bool = True,
        slots: JsonSlots | None = None,
        written: Json = None,
    ) -> None:
        self.vocabulary = engine.vocabulary
        self.schema = schema
        self.front = front
        self._style, self._own, self._slots = style, own, slots
        self._written = written if slots else schema
        self._engine = engine
        self._oracle = oracle

    @property
    def key(self) -> str:
        """Hash of the engine's key, of every option and of the user's own schema."""
        text = json.dumps(self.schema, ensure_ascii=False)
        options = str((self.front.exact, self.front.extras, self._oracle.formats, self._style))
        parts = (self._engine.key, options, text, self._slots.evidence.key if self._slots else "")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def grammar(self) -> str:
        """The grammar text that the engine runs."""
        return self._engine.grammar

    def start(self) -> Matcher:
        """The engine's matcher, watched by the oracle, kept within a budget where one is set."""
        judge = JsonJudge(
            self._oracle,
            watches=self.front.extras or not self.front.exact,
            only_keys=self.front.exact,
            containers=not self.front.containers,
        )
        engine: Matcher = SparedMatcher(self._engine, lambda: self._any_json, judge.watch)
        if self._slots:
            engine = QuotingMatcher(engine, self._slots)
        guarded = GuardedMatcher(engine, judge)
        if self._own and self._limits:
            return TokenLimitedMatcher(guarded, self._shortest, self._limits)
        return BudgetedMatcher(guarded, self._shortest)

    def quoting(self, schema: Json, slots: JsonSlots) -> JsonConstraint:
        """The same mask under `schema`, which asks for quotes that this one knows nothing of."""
        keywords = {VERBATIM: keyword(slots)}
        oracle = Oracle(schema, formats=self._oracle.formats, keywords=keywords)
        return JsonConstraint(
            self._engine,
            oracle,
            schema,
            front=replace(self.front, exact=self.front.exact and slots.exact),
            style=self._style,
            slots=slots,
            written=self.schema,
        )

    def validate(self, text: str) -> str | None:
        """Why the user's own schema refuses `text`, or None."""
        return self._oracle.complaint(text)

    @cached_property
    def _any_json(self) -> EngineConstraint:
        """The mask to fall back on, the oracle judging each value."""
        return EngineConstraint(_any_json(self._style).grammar, self.vocabulary)

    @cached_property
    def _limits(self) -> TokenLimits:
        return TokenLimits(self.schema)

    @cached_property
    def _shortest(self) -> Shortest:
        return Shortest(self._written, self.vocabulary, self._oracle)


def json_schema(
    schema: str | dict[str, Any] | bool,
    vocab: Vocabulary,
    *,
    order: Order = "declared",
    whitespace: Whitespace = "compact",
    bounds: Bounds | None = None,
    formats: Formats = "assert",
    evidence: Evidence | None = None,
) -> Constraint:
    """JSON texts that `schema` accepts, nothing more and nothing less.

    A schema that no value satisfies gives a constraint that allows nothing, and says why.

    Args:
        schema: JSON text, or its value.
        vocab: The tokens.
        order: With `bounds`, in which order keys are written: "declared" is the schema's own, and
            unnamed keys come last; "any" asks for the required keys before unnamed ones only.
            Without `bounds` texts are judged, and every order is good.
        whitespace: "compact" allows no white space but the one space that Python's `json.dumps`
            puts after a comma and a colon, and with `bounds` not even that; "flexible" allows up
            to 64 characters of it between any two tokens of the JSON text.
        bounds: Bounds on open ends, for generating; None is the schema's exact language.
        formats: Whether `format` is a rule or, with "annotate", a remark.
        evidence: What strings with `x-tether-verbatim` are taken from.

    Raises:
        SchemaError: The schema is not one; with the JSON Pointer, the keyword and the cure.
        EvidenceError: The schema asks for quotes, and there is nothing to quote.
        UsageError: `order`, `whitespace` or `formats` is not one of the words above.
    """
    _check_words(order=order, whitespace=whitespace, formats=formats)
    value, text = read_schema(schema)
    check_size(text, value)
    options: dict[str, Any] = {"order": order, "whitespace": whitespace, "bounds": bounds}
    own = may_have_own(text)
    if own:
        refuse_own(value)
    if own and is_marked(value):
        slots = JsonSlots(value, needed(evidence), bounds, formats == "assert")
        return quoting(
            slots, lambda plain: json_schema(_text(plain), vocab, formats=formats, **options)
        )
    oracle = Oracle(value, formats=formats)
    try:
        mask = front(oracle.schema, validate_formats=formats == "assert", **options)
    except Unsatisfiable as error:
        return DeadConstraint(vocab, error.message, error.hint)
    engine = EngineConstraint(mask.grammar, vocab, later=True)
    return JsonConstraint(engine, oracle, value, front=mask, style=options, own=own)


def _text(schema: Json) -> str:
    return json.dumps(schema, ensure_ascii=False)


def quoting(slots: JsonSlots, write: Callable[[Json], Constraint]) -> Constraint:
    """The constraint of a schema that asks for quotes.

    Args:
        slots: The quotes.
        write: Compiles the schema that texts are written by; it knows nothing of quotes.

    Raises:
        SchemaError: A keyword of tether is misspelt or has a wrong value.
    """
    refuse_own(slots.schema)
    plain, has_empty = writable(slots)
    base = write(plain)
    if isinstance(base, JsonConstraint):
        return base.quoting(slots.schema, slots)
    if not has_empty:
        return base
    return DeadConstraint(
        base.vocabulary,
        "The evidence holds no text that the schema's verbatim strings may be.",
        "Loosen their pattern, length or list of values, or give more evidence.",
    )


def revive(
    text: str,
    entry: Entry,
    vocab: Vocabulary,
    *,
    formats: Formats,
    **style: Any,  # noqa: ANN401
) -> Constraint:
    """The constraint of a schema from what was kept of it; `style` as for `front`."""
    value, _ = read_schema(text)
    grammar = entry.grammar or ""
    return JsonConstraint(
        EngineConstraint(grammar, vocab, later=True),
        Oracle(value, formats=formats, later=True),
        value,
        front=Front(grammar, entry.exact, entry.containers, entry.extras),
        style=style,
        own=may_have_own(text),
    )


def _any_json(style: dict[str, Any]) -> Front:
    """A mask that holds whatever any schema accepts."""
    return replace(front(True, **style), exact=False)


_WORDS = {
    "order": ("declared", "any"),
    "whitespace": ("compact", "flexible"),
    "formats": ("assert", "annotate"),
}


def _check_words(**given: str) -> None:
    for name, word in given.items():
        if word not in _WORDS[name]:
            allowed = " or ".join(f'"{choice}"' for choice in _WORDS[name])
            raise UsageError(f"{name} is {word!r}.", hint=f"Use {allowed}.")
