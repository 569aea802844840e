"""What may be said, from settings: the one place where they become a spec of the grammars room."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tether.cli import graphs, streams
from tether.cli.config.settings import Resolved
from tether.cli.config.settings_model import CONSTRAINTS as KEYS
from tether.cli.kinds import SettingValue
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grammars.spec import Spec

_SHOWN = 3
"""Warnings about a schema that are shown one by one."""

__all__ = ["KEYS", "Said", "from_object", "read", "warn"]


@dataclass(frozen=True, slots=True)
class Said:
    """What may be said: a spec of the grammars room, or None for free text."""

    spec: Spec | None = None

    @property
    def is_json(self) -> bool:
        """Whether the output is JSON."""
        return self.spec is not None and self.spec.kind == "json"

    @property
    def is_query(self) -> bool:
        """Whether the output is a query of SPARQL."""
        return self.spec is not None and self.spec.kind == "sparql"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the language, for a batch's identity."""
        if self.spec is None:
            return {"constraint": "free text"}
        spec = self.spec
        if spec.kind == "sparql":
            graph = spec.graph.digest if spec.graph else None
            return {"constraint": f"sparql: {spec.text}", "graph": graph}
        return {
            "constraint": f"{spec.kind}: {spec.text}",
            "property_order": spec.order,
            "whitespace": spec.whitespace,
            "bound": repr(spec.bounds),
            "formats": spec.formats,
        }

    def subjects(self) -> str:
        """What a query may speak of, in a sentence: the prompt's."""
        return graphs.described(self.spec.graph if self.spec is not None else None)

    def fields(self, *, short: bool) -> str:
        """The wanted JSON in the prompt: the short line, or the schema's text; else empty."""
        return _fields(self.spec, short) if self.spec is not None and self.is_json else ""


def read(resolved: Resolved) -> Said:
    """What the settings allow to be said.

    Raises:
        RefusedError: The schema, the regex or the grammar is refused.
        UsageError: A file or a type cannot be read, or settings contradict each other.
    """
    return _checked(_read(resolved), resolved)


def _checked(wanted: Said, resolved: Resolved) -> Said:
    if resolved["extract"] == "best" and not (wanted.spec and wanted.spec.quotes):
        raise UsageError(
            "`extract` is `best`, but nothing is to be a quote.",
            hint="Name what is one by --verbatim FIELD, or leave out --extract.",
        )
    return wanted


def _read(resolved: Resolved) -> Said:
    from tether.grammars.spec import Spec

    key = next((key for key in KEYS if resolved[key] is not None), None)
    quoted = resolved["verbatim"]
    if key is None:
        return _free(quoted)
    value, base = resolved[key], resolved.origins[key].base
    if key == "sparql":
        return Said(Spec.from_query(resolved["guarantee"], graphs.named(resolved)))
    if key == "schema":
        spec = Spec.from_schema_argument(value, base, **_options(resolved))
        return Said((spec.bundled() if resolved["allow_remote"] else spec).quoting(quoted))
    if key == "type":
        from tether.grammars.python_types import from_type

        return Said(from_type(value, base, **_options(resolved)).quoting(quoted))
    if quoted:
        raise UsageError(
            f"`verbatim` and `{key}` cannot hold together.",
            hint="Quotes are strings of a schema, or the whole of a free text.",
        )
    if key == "grammar":
        return Said(Spec.from_grammar_argument(value, base))
    return Said(Spec.from_regex(value) if key == "regex" else Spec.from_choices(value))


def _free(quoted: Sequence[str]) -> Said:
    """Free text, or text that is a quote as a whole."""
    from tether.grammars.spec import Spec

    if any(field != "." for field in quoted):
        raise UsageError(
            f"`verbatim` names {next(f for f in quoted if f != '.')!r}, but there is no schema.",
            hint="Without a schema only `.` can be quoted: the whole text.",
        )
    return Said(Spec.from_evidence() if quoted else None)


def warn(wanted: Said, resolved: Resolved) -> None:
    """Say on stderr what is to be known before: lossy drafts, and keywords without effect.

    Raises:
        SchemaError: A keyword of tether's own is misspelt or has a wrong value.
    """
    if resolved["lossy"] != "off":
        what = f"--lossy {resolved['lossy']} takes drafted tokens that the model did not choose"
        streams.say(f"tether: {what}; --stats counts them.", style="33")
    if wanted.spec is None or resolved["schema"] is None:
        return
    from tether.grammars.json_schema.lint import ignored_keywords, refusal

    found = ignored_keywords(wanted.spec.text)
    refused = next((finding for finding in found if finding.level == "error"), None)
    if refused is not None:
        raise refusal(refused)
    for finding in found[:_SHOWN]:
        what = f"{finding.message} {finding.hint}"
        streams.say(f"tether: warning at {finding.pointer}: {what}", style="33")
    if len(found) > _SHOWN:
        check = f"tether check {wanted.spec.source}".strip()
        more = f"{len(found) - _SHOWN} more of these; `{check}` shows all"
        streams.say(f"tether: warning: {more}.", style="33")


def from_object(value: SettingValue, resolved: Resolved) -> Said:
    """What a Python type or an outlines object allows to be said.

    Raises:
        UsageError: The object has no meaning as a constraint.
    """
    from tether.grammars.python_types import from_object as spec_of

    spec = spec_of(value, **_options(resolved))
    return _checked(Said(spec.quoting(resolved["verbatim"])), resolved)


def _options(resolved: Resolved) -> dict[str, Any]:
    from tether.grammars.json_schema.bounds import UNBOUNDED, Bounds

    return {
        "order": resolved["property_order"],
        "whitespace": resolved["whitespace"],
        "bounds": Bounds() if resolved["bound"] else UNBOUNDED,
        "formats": resolved["formats"],
    }


@lru_cache(maxsize=256)
def _fields(spec: Spec, short: bool) -> str:
    if short:
        from tether.grammars.json_schema.to_short import to_short

        return to_short(spec.schema)
    return json.dumps(spec.schema, ensure_ascii=False, separators=(",", ":"))
