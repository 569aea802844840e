"""The exact judge of JSON output: jsonschema-rs, formats asserted, duplicate keys refused."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import TYPE_CHECKING, Any

from tether.errors import SchemaError
from tether.grammars.json_schema.source import DuplicateKey, parse_strictly
from tether.grammars.json_schema.walk import subschemas
from tether.types import Json

if TYPE_CHECKING:
    import jsonschema_rs


_HUGE = Decimal("1e9999")


class Oracle:
    """Says whether a text is JSON that the user's own schema accepts.

    Raises:
        SchemaError: The schema breaks its own draft's rules; with the JSON Pointer of the cause.
    """

    def __init__(self, schema: Json) -> None:
        self._validator = _validator(schema)

    def complaint(self, text: str) -> str | None:
        """Why `text` is refused, as a sentence with the JSON Pointer of the value, or None."""
        try:
            value = parse_strictly(text, _number)
        except DuplicateKey as error:
            return f"The text names the key {error.args[0]!r} twice in one object."
        except (ValueError, RecursionError) as error:
            return f"The text is not JSON: {error}."
        return self.complaint_about(value)

    def complaint_about(self, value: Json) -> str | None:
        """The same for a value that is already read."""
        error = next(iter(self._validator.iter_errors(value)), None)
        if error is None:
            return None
        where = pointer(error.instance_path) or "the whole text"
        return f"At {where}: {error.message}."


def _number(text: str) -> float | Decimal:
    """A float, or the exact number where a float would be infinite."""
    value = float(text)
    if isfinite(value):
        return value
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits: beyond every bound a schema can name
        return _HUGE if value > 0 else -_HUGE


def pointer(path: list[str | int]) -> str:
    """JSON Pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)


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
    places = (
        where
        for where, part in subschemas(schema)
        if isinstance(part.get("$ref"), str) and part["$ref"].endswith(target)
    )
    where = next(places, "")
    return SchemaError(
        f"The $ref at {where or 'the root'} cannot be resolved: {message}.",
        hint="Put the referenced schema into $defs: nothing is fetched from the network.",
        pointer=where,
    )


def _validator(schema: Json) -> jsonschema_rs.Validator:
    import jsonschema_rs

    options: dict[str, Any] = {"validate_formats": True, "offline": True}
    try:
        return jsonschema_rs.validator_for(schema, **options)  # type: ignore[arg-type]
    except jsonschema_rs.ValidationError as error:
        if error.kind.name == "$ref":
            raise _reference_error(schema, error.message) from error
        raise SchemaError(
            f"The schema breaks the rules of JSON Schema at "
            f"{pointer(error.instance_path) or 'its root'}: {error.message}.",
            hint="Correct that keyword's value.",
            pointer=pointer(error.instance_path),
        ) from error
    except jsonschema_rs.ReferencingError as error:
        raise _reference_error(schema, str(error)) from error
    except ValueError as error:
        raise SchemaError(f"The schema cannot be judged: {error}.") from error
