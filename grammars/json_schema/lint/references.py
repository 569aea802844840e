"""References that lead out of a schema."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.schema_errors import reference_cure, references
from tether.grammars.json_schema.walk import subschemas
from tether.types import Json

_METASCHEMAS = ("http://json-schema.org/", "https://json-schema.org/")


def remote_findings(schema: Json) -> Iterator[Finding]:
    """Every reference to a document that would have to be fetched."""
    base = _name(schema) if isinstance(schema, dict) else ""
    known = {urljoin(base, _name(part)) for _, part in subschemas(schema)}
    for where, name in references(schema):
        target = urldefrag(urljoin(base, name)).url
        if not urlsplit(target).netloc or target in known or target.startswith(_METASCHEMAS):
            continue
        yield SCHEMA["remote"].on(
            where, where=where or "the root", target=target, cure=reference_cure(target)
        )


def _name(part: dict[str, Json]) -> str:
    name = part.get("$id", part.get("id"))
    return urldefrag(name).url if isinstance(name, str) else ""
