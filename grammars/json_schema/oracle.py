"""The exact judge of JSON output: jsonschema-rs, formats asserted, duplicate keys refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tether.errors import SchemaError
from tether.grammars.json_schema.source import DuplicateKey, parse_strictly
from tether.types import Json

if TYPE_CHECKING:
    import jsonschema_rs


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
            value = parse_strictly(text)
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


def pointer(path: list[str | int]) -> str:
    """JSON Pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)


def _validator(schema: Json) -> jsonschema_rs.Validator:
    import jsonschema_rs

    options: dict[str, Any] = {"validate_formats": True, "offline": True}
    try:
        return jsonschema_rs.validator_for(schema, **options)  # type: ignore[arg-type]
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(
            f"The schema breaks the rules of JSON Schema at "
            f"{pointer(error.instance_path) or 'its root'}: {error.message}.",
            hint="Correct that keyword's value.",
            pointer=pointer(error.instance_path),
        ) from error
    except jsonschema_rs.ReferencingError as error:
        raise SchemaError(
            f"A $ref of the schema cannot be resolved: {error}.",
            hint="Put the referenced schema into $defs: nothing is fetched from the network.",
        ) from error
    except ValueError as error:
        raise SchemaError(f"The schema cannot be judged: {error}.") from error
