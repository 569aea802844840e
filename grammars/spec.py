"""A constraint as it is asked for: text and options, before any vocabulary.

One way for flags, profile keys, batch rows and the Python API to name a constraint, check it
without a model, and compile it through the caches.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tether.errors import RefusedError, UsageError
from tether.grammars import cache
from tether.grammars.findings import Finding
from tether.types import Formats, Json, Order, Whitespace

if TYPE_CHECKING:
    from tether.grammars.constraint import Constraint
    from tether.grammars.json_schema.bounds import Bounds
    from tether.grammars.sparql.lookup import GraphSource
    from tether.grammars.verbatim import Evidence
    from tether.grammars.vocabulary import Vocabulary
    from tether.graphs import Level

Kind = Literal["json", "regex", "choice", "lark", "gbnf", "verbatim", "sparql"]
_KEPT = 256
"""Compiled constraints kept in a process; the least recently used go first."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What may be said, as text.

    Attributes:
        kind: The language that `text` is written in.
        text: A JSON Schema, a regex, a JSON list of options, a Lark or a GBNF grammar; of queries
            the guarantee, or nothing for the best one.
        source: Where the text came from, for messages; "" where it was given directly.
        order: See `json_schema`; for schemas only.
        whitespace: See `json_schema`; for schemas only.
        bounds: Bounds on open ends when text is generated; for schemas only.
        formats: See `json_schema`; for schemas only.
        evidence: What verbatim strings are taken from; kept only where there are some.
        graph: What queries speak of, where there is one.
    """

    kind: Kind
    text: str
    source: str = ""
    order: Order = "declared"
    whitespace: Whitespace = "compact"
    bounds: Bounds | None = None
    formats: Formats = "assert"
    evidence: Evidence | None = None
    graph: GraphSource | None = None

    @classmethod
    def from_query(cls, guarantee: Level | None = None, graph: GraphSource | None = None) -> Spec:
        """Queries of SPARQL; see `tether.grammars.sparql.sparql`."""
        return cls("sparql", guarantee or "", graph=graph)

    @classmethod
    def from_schema(cls, schema: Json, **options: Any) -> Spec:  # noqa: ANN401
        """A JSON Schema by its value."""
        from tether.grammars.json_schema.source import read_schema

        return cls("json", read_schema(schema)[1], **options)  # type: ignore[arg-type]

    @classmethod
    def from_schema_argument(
        cls,
        argument: str | dict[str, Any] | bool,
        base_dir: Path | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Spec:
        """Whatever a user gave as a schema: a value, a file, JSON text, or the short syntax.

        Raises:
            UsageError: A file is named that cannot be read.
            SchemaError: The text is neither JSON nor the short syntax, with line, column, caret.
        """
        from tether.grammars.arguments import read_schema_argument

        text, source = read_schema_argument(argument, base_dir or Path())
        return cls("json", text, source, **options)

    @classmethod
    def from_grammar_argument(cls, argument: str, base_dir: Path | None = None) -> Spec:
        """A Lark or GBNF grammar: a .lark or .gbnf file, or the text itself.

        Raises:
            UsageError: A file is named that cannot be read.
        """
        from tether.grammars.arguments import read_grammar_argument

        kind, text, source = read_grammar_argument(argument, base_dir or Path())
        return cls(kind, text, source)

    @classmethod
    def from_regex(cls, pattern: str) -> Spec:
        """Texts that match `pattern` from end to end."""
        return cls("regex", pattern)

    @classmethod
    def from_choices(cls, options: Sequence[str]) -> Spec:
        """Exactly one of `options`."""
        return cls("choice", json.dumps(list(options), ensure_ascii=False))

    def bundled(self) -> Spec:
        """This schema with what its references name elsewhere built in, fetched over https.

        Raises:
            SchemaError: A document cannot be had; with the JSON Pointer of the reference.
        """
        if self.kind != "json":
            return self
        from tether.grammars.json_schema.remote import bundled

        return replace(self, text=bundled(self.text))

    @classmethod
    def from_evidence(cls, least: int = 1) -> Spec:
        """A quote of the evidence, which `over` gives, of at least so many characters."""
        return cls("verbatim", str(least))

    def quoting(self, fields: Sequence[str]) -> Spec:
        """This schema with `x-tether-verbatim` at these paths.

        Raises:
            UsageError: The schema has no such value.
        """
        from tether.grammars.json_schema.verbatim_fields import with_marks

        if not fields:
            return self
        marked = with_marks(self.schema, fields)
        return replace(self, text=json.dumps(marked, ensure_ascii=False))

    @property
    def quotes(self) -> bool:
        """Whether anything in it is taken from the evidence."""
        if self.kind != "json" or "x-tether-verbatim" not in self.text:
            return self.kind == "verbatim"
        from tether.grammars.json_schema.verbatim import is_marked

        return is_marked(self.schema)

    def over(
        self, passages: Sequence[str], names: Sequence[str] = (), starts: Sequence[int] = ()
    ) -> Spec:
        """This spec with its evidence, where it has any use for it; see `verbatim.Evidence`.

        Raises:
            EvidenceError: It has, and there is none.
        """
        if not self.quotes:
            return self
        from tether.grammars.verbatim import Evidence

        return replace(self, evidence=Evidence(passages, names, starts))

    @property
    def key(self) -> str:
        """The address of everything a front end makes of this spec."""
        bounds, held = repr(self.bounds), self.evidence or self.graph
        return cache.content_key(
            (
                *(self.kind, self.text, self.order, self.whitespace, bounds, self.formats),
                held.key if held else "",
            )
        )

    @property
    def schema(self) -> Json:
        """The JSON Schema as a value, for prompts and messages.

        Raises:
            UsageError: This spec is no schema.
        """
        if self.kind != "json":
            raise UsageError(f"A {self.kind} has no JSON Schema.")
        from tether.grammars.json_schema.source import read_schema

        return read_schema(self.text)[0]

    def findings(self) -> list[Finding]:
        """Everything to say about the text without a vocabulary, errors first."""
        entry = cache.load(self.key)
        if entry and entry.findings is not None:
            return list(entry.findings)
        found = _findings(self)
        kept = entry or cache.Entry(None, None)
        cache.store(self.key, replace(kept, findings=tuple(found)))
        return found

    def compile(self, vocab: Vocabulary) -> Constraint:
        """The constraint over `vocab`, from the caches where they hold it.

        Raises:
            SchemaError: A schema is refused.
            GrammarError: A regex, choice or grammar is refused.
        """
        key = (self.key, vocab.key)
        kept = _compiled.get(key)
        if kept:
            return kept
        try:
            constraint = _compile(self, vocab)
        except RefusedError as error:
            if self.source:
                error.args = (f"{self.source}: {error.message}",)
                error.message = f"{self.source}: {error.message}"
            raise
        return _compiled.put(key, constraint)


class _Compiled:
    """The constraints of this process, least recently used first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: OrderedDict[tuple[str, str], Constraint] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Constraint | None:
        with self._lock:
            constraint = self._items.get(key)
            if constraint:
                self._items.move_to_end(key)
            return constraint

    def put(self, key: tuple[str, str], constraint: Constraint) -> Constraint:
        """Keep and return it; the first of two threads wins, so that states are shared."""
        with self._lock:
            kept = self._items.setdefault(key, constraint)
            self._items.move_to_end(key)
            while len(self._items) > _KEPT:
                self._items.popitem(last=False)
            return kept

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


_compiled = _Compiled()


def forget_compiled() -> None:
    """Drop the constraints of this process; the files stay."""
    _compiled.clear()


def _findings(spec: Spec) -> list[Finding]:
    if spec.kind == "json":
        from tether.grammars.json_schema.lint import schema_findings

        return schema_findings(spec.text)
    if spec.kind == "regex":
        from tether.grammars.lint.regex_text import regex_findings

        return regex_findings(spec.text)
    if spec.kind == "lark":
        from tether.grammars.lint.lark_text import lark_findings

        return lark_findings(spec.text)
    if spec.kind == "gbnf":
        from tether.grammars.gbnf_reader import gbnf_findings

        return gbnf_findings(spec.text)
    if spec.kind in ("verbatim", "sparql") or json.loads(spec.text):
        return []
    return [
        Finding("error", "", "A choice needs at least one option.", "Give texts to choose from.")
    ]


def _compile(spec: Spec, vocab: Vocabulary) -> Constraint:
    if spec.quotes:
        return _quoting(spec, vocab)
    if spec.kind == "sparql":
        return _queries(spec, vocab)
    entry = cache.load(spec.key)
    if entry and entry.grammar is not None:
        return _revive(spec, entry, vocab)
    constraint = _build(spec, vocab)
    grammar = getattr(constraint, "grammar", None)
    made = cache.Entry(grammar, entry.findings if entry else None)
    if front := getattr(constraint, "front", None):
        made = replace(made, **{name: getattr(front, name) for name in cache.FLAGS})
    cache.store(spec.key, made)
    return constraint


def _quoting(spec: Spec, vocab: Vocabulary) -> Constraint:
    """A constraint of one evidence; what does not depend on it comes from the caches."""
    from tether.grammars.json_schema import compile as schemas
    from tether.grammars.json_schema.verbatim import JsonSlots, needed
    from tether.grammars.verbatim import verbatim_text

    evidence = needed(spec.evidence)
    if spec.kind == "verbatim":
        return verbatim_text(evidence, vocab, least=int(spec.text))

    def write(plain: Json) -> Constraint:
        text = json.dumps(plain, ensure_ascii=False)
        return replace(spec, text=text, evidence=None).compile(vocab)

    slots = JsonSlots(spec.schema, evidence, spec.bounds, spec.formats == "assert")
    return schemas.quoting(slots, write)


def _queries(spec: Spec, vocab: Vocabulary) -> Constraint:
    from tether.grammars.sparql import sparql

    graph = spec.graph.lookup(vocab) if spec.graph else None
    return sparql(vocab, guarantee=cast("Level", spec.text) if spec.text else None, graph=graph)


def _build(spec: Spec, vocab: Vocabulary) -> Constraint:
    from tether.grammars import languages
    from tether.grammars.json_schema import json_schema

    if spec.kind == "json":
        return json_schema(spec.text, vocab, **_style(spec))
    if spec.kind == "choice":
        return languages.choices(json.loads(spec.text), vocab)
    return {"regex": languages.regex, "lark": languages.lark, "gbnf": languages.gbnf}[spec.kind](
        spec.text, vocab
    )


def _revive(spec: Spec, entry: cache.Entry, vocab: Vocabulary) -> Constraint:
    """A constraint from a kept grammar text: only the engine's own work is done again."""
    from tether.grammars.engine import EngineConstraint
    from tether.grammars.json_schema.compile import revive

    if spec.kind == "json":
        return revive(spec.text, entry, vocab, **_style(spec))
    return EngineConstraint(entry.grammar or "", vocab)


def _style(spec: Spec) -> dict[str, Any]:
    """What `json_schema` takes beside the text and the vocabulary."""
    return {
        "order": spec.order,
        "whitespace": spec.whitespace,
        "bounds": spec.bounds,
        "formats": spec.formats,
    }
