"""What jsonschema-rs says against a schema, as an error with the place and the cure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

from tether.errors import SchemaError
from tether.grammars.json_schema.walk import escape, subschemas
from tether.types import Json

if TYPE_CHECKING:
    import jsonschema_rs

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MOST, _HALF = 320, 150
_DEFS = "Put the referenced schema into $defs"


def pointer(path: Sequence[str | int]) -> str:
    """JSON Pointer (RFC 6901) of a path of keys and indices."""
    return "".join(f"/{escape(str(step))}" for step in path)


def schema_error(schema: Json, error: Exception) -> SchemaError:
    """The library's error about `schema` in our words."""
    import jsonschema_rs

    if isinstance(error, jsonschema_rs.ReferencingError):
        return _reference_error(schema, str(error))
    if not isinstance(error, jsonschema_rs.ValidationError):
        return _unread_error(str(error))
    if error.kind.name == "$ref":
        return _reference_error(schema, error.message)
    cause = max(_causes(error), key=lambda each: len(each.instance_path))
    where = pointer(cause.instance_path)
    return SchemaError(
        f"The schema breaks the rules of JSON Schema at {where or 'its root'}: "
        f"{shortened(cause.message)}.",
        hint="Correct that keyword's value.",
        pointer=where,
    )


def _unread_error(message: str) -> SchemaError:
    """A schema that the library cannot even read; it names the reason, but not the place."""
    if "Recursion limit" in message:
        return SchemaError(
            "The schema is nested too deeply to be judged.",
            hint="Nest it less deeply: give inner parts names in $defs and refer to them.",
        )
    if "surrogates not allowed" in message:
        return SchemaError(
            "The schema holds half of a surrogate pair, which is no character.",
            hint=r"Write whole characters: \ud83d\ude00, never \ud83d alone.",
        )
    return SchemaError(f"The schema cannot be judged: {shortened(message)}.")


def shortened(message: str) -> str:
    """A message of the library, which quotes whole values, at a length for people."""
    return message if len(message) <= _MOST else f"{message[:_HALF]} ... {message[-_HALF:]}"


def _causes(error: jsonschema_rs.ValidationError) -> Iterator[jsonschema_rs.ValidationError]:
    """The error and, below a choice, what each branch says."""
    yield error
    for branch in getattr(error.kind, "context", ()):
        for each in branch:
            yield from _causes(each)


def _reference_error(schema: Json, message: str) -> SchemaError:
    """A reference that leads nowhere; the library names it, but not its place."""
    if "meta-schema" in message:
        return SchemaError(
            f"The schema's $schema is not known: {message}.",
            hint="Use a draft's own URI, such as https://json-schema.org/draft/2020-12/schema.",
            pointer="/$schema",
        )
    named = re.search(r"'([^']+)'", message)
    target = named[1] if named else ""
    where = next((p for p, name in references(schema) if _leads_to(name, target)), "")
    place = f"The $ref at {where or 'the root'}"
    if not message.startswith("Resource "):
        return SchemaError(
            f"{place} cannot be resolved: {message}.", hint=f"{_DEFS}.", pointer=where
        )
    if "Retrieval is disabled" not in message:
        failed = message.partition("retrieving it failed: ")[2]  # the exception's class, its text
        reason = failed.partition(": ")[2] or failed or message
        return SchemaError(
            f"{place} leads to {target}, which cannot be had: {reason}.",
            hint=f"{_DEFS}.",
            pointer=where,
        )
    return SchemaError(
        f"{place} is remote ({target}); nothing is fetched from the network.",
        hint=reference_cure(target),
        pointer=where,
    )


def reference_cure(target: str) -> str:
    """What to do about a reference to the remote document `target`."""
    if urlsplit(target).scheme == "https":
        return f"{_DEFS}, or let it be fetched with --allow-remote."
    return f"{_DEFS}: only https could ever be fetched."


def references(schema: Json) -> Iterator[tuple[str, str]]:
    """(pointer of the sub-schema, target) of every reference in `schema`."""
    for where, part in subschemas(schema):
        for keyword in REFERENCES:
            if isinstance(part.get(keyword), str):
                yield where, part[keyword]


def _leads_to(name: str, target: str) -> bool:
    document, fragment = urldefrag(name)
    return target in (name, document, fragment) or bool(document and target.endswith(document))
