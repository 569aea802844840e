"""The exact judge of JSON output: jsonschema-rs, formats asserted, duplicate keys refused.

Two repairs make its verdict that of the newest reading: formats that are newer than the schema's
draft are judged (`formats.py`), and patterns of other regex dialects are understood
(`patterns.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from tether.grammars.json_schema.begun import begun
from tether.grammars.json_schema.formats import late_formats
from tether.grammars.json_schema.schema_errors import pointer, schema_error, shortened
from tether.grammars.json_schema.source import DuplicateKey, any_integer, parse_strictly
from tether.types import Json

if TYPE_CHECKING:
    import jsonschema_rs

Retriever = Callable[[str], Any]
"""Gives the JSON document at a URI that a schema refers to."""

_HUGE = Decimal("1e9999")
_LARGE_REGEX = 1 << 27
"""Bytes that a compiled pattern may take where the library's own limit is too small."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value.

    Attributes:
        path: Keys and indices that lead to the refused part of the value.
        keyword: The keyword of the schema that refuses it.
        evaluation_path: The way to that keyword from the schema's root, through every `$ref`.
        message: A sentence without its stop.
    """

    path: tuple[str | int, ...]
    keyword: str
    evaluation_path: tuple[str | int, ...]
    message: str


class Oracle:
    """Says whether a text is JSON that the user's own schema accepts.

    Args:
        schema: An object or a boolean.
        draft: 4, 6, 7, 19 (2019-09) or 20 (2020-12); None reads it from `$schema`.
        formats: "annotate" lets every string have any format.
        retriever: Gives the documents behind remote references; None refuses them.
        keywords: Classes that judge keywords of one's own, as jsonschema-rs asks for them.
        later: Whether the schema was taken before, and need not be read until it is asked about.

    Attributes:
        formats: As given.

    Raises:
        SchemaError: The schema breaks its own draft's rules; with the JSON Pointer of the cause.
    """

    def __init__(
        self,
        schema: Json,
        *,
        draft: int | None = None,
        formats: Literal["assert", "annotate"] = "assert",
        retriever: Retriever | None = None,
        keywords: Mapping[str, type] | None = None,
        later: bool = False,
    ) -> None:
        options: dict[str, Any] = {"validate_formats": formats == "assert"}
        options |= {"retriever": retriever} if retriever else {"offline": True}
        options |= {"keywords": dict(keywords)} if keywords else {}
        self.formats = formats
        self._asked = schema, draft, options
        if not later:
            self._read  # noqa: B018 - refuses the schema

    @cached_property
    def _read(self) -> tuple[Json, jsonschema_rs.Validator]:
        return _built(*self._asked)

    @property
    def schema(self) -> Json:
        """The schema as it is judged: foreign patterns are in the strict dialect."""
        return self._read[0]

    @cached_property
    def _begun(self) -> jsonschema_rs.Validator | None:
        """The judge of values that are not finished; None where there is no other."""
        _, draft, options = self._asked
        try:
            schema = begun(self.schema)
            return None if schema == self.schema else _validator(schema, draft, options)
        except (RecursionError, ValueError):  # a `$ref` leads to what was left out, say
            return None

    def accepts(self, text: str) -> bool:
        """Whether there is nothing to complain about: to say what would be takes far longer."""
        try:
            return bool(self._read[1].is_valid(parse_strictly(text, _number, any_integer)))
        except (ValueError, RecursionError):
            return False

    def complaint(self, text: str) -> str | None:
        """Why `text` is refused, as a sentence with the JSON Pointer of the value, or None."""
        try:
            value = parse_strictly(text, _number, any_integer)
        except DuplicateKey as error:
            return f"The text names the key {error.args[0]!r} twice in one object."
        except (ValueError, RecursionError) as error:
            return f"The text is not JSON: {error}."
        return self.complaint_about(value)

    def complaint_about(self, value: Json) -> str | None:
        """The same for a value that is already read."""
        fault = next(self.faults(value), None)
        if fault is None:
            return None
        return f"At {pointer(fault.path) or 'the whole text'}: {shortened(fault.message)}."

    def begins_well(self, value: Json) -> bool:
        """Whether a quick look finds nothing wrong with `value` but what may yet come to it."""
        try:
            return self._begun is not None and self._begun.is_valid(value)
        except (UnicodeEncodeError, ValueError):
            return False

    def faults(self, value: Json) -> Iterator[Fault]:
        """Everything that is wrong with `value`, which may be a part of a text still growing."""
        try:
            validator = self._read[1]
            if validator.is_valid(value):  # a seventh of the time of iter_errors
                return
            for error in validator.iter_errors(value):
                path, at = tuple(error.instance_path), tuple(error.evaluation_path)
                yield Fault(path, error.kind.name, at, error.message)
        except UnicodeEncodeError:
            yield Fault((), "type", (), "half of a surrogate pair is no character")
        except ValueError as error:
            yield Fault((), "type", (), _unjudged(str(error)))


def _unjudged(message: str) -> str:
    """Why the library gives no verdict, or no reason for one."""
    if "integer string conversion" in message:  # it refused, and could not quote the value
        return "a rule is broken beside, or by, an integer of thousands of digits"
    return f"the value cannot be judged: {message}"


def _number(text: str) -> float | Decimal:
    """A float where it says the same as `text`, else the exact number."""
    value = float(text)
    if isfinite(value) and len(text) < 18:
        return value
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits: beyond every bound a schema can name
        return 0.0 if value == 0 else _HUGE if value > 0 else -_HUGE
    return value if isfinite(value) and Decimal(repr(value)) == exact else exact


def _built(
    schema: Json, draft: int | None, options: dict[str, Any]
) -> tuple[Json, jsonschema_rs.Validator]:
    """The schema and its validator; repaired where it is refused for its patterns."""
    import jsonschema_rs

    try:
        return schema, _validator(schema, draft, options)
    except jsonschema_rs.ValidationError as error:
        if error.kind.name == "$ref":
            raise schema_error(schema, error) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise schema_error(schema, error) from error
    from tether.grammars.json_schema.patterns import PYTHON_PATTERN, PythonPattern, repaired

    large = jsonschema_rs.FancyRegexOptions(size_limit=_LARGE_REGEX)
    keywords = {**options.get("keywords", {}), PYTHON_PATTERN: PythonPattern}
    options |= {"keywords": keywords, "pattern_options": large}
    schema = repaired(schema)
    try:
        return schema, _validator(schema, draft, options)
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise schema_error(schema, error) from error


def _validator(schema: Json, draft: int | None, options: dict[str, Any]) -> Any:  # noqa: ANN401
    import jsonschema_rs

    if draft is None:
        build: Any = jsonschema_rs.validator_for
        draft = draft_of(schema)
    else:
        build = next(each for each, number in _drafts().items() if number == draft)
    return build(schema, formats=late_formats(draft), **options)


def draft_of(schema: Json) -> int:
    """The draft that `$schema` names, as jsonschema-rs numbers it; the newest where none is."""
    import jsonschema_rs

    return _drafts()[jsonschema_rs.validator_cls_for(schema)]  # type: ignore[arg-type]


@cache
def _drafts() -> dict[type[jsonschema_rs.Validator], int]:
    """The validator of each draft with the library's number of it."""
    import jsonschema_rs

    return {
        jsonschema_rs.Draft4Validator: 4,
        jsonschema_rs.Draft6Validator: 6,
        jsonschema_rs.Draft7Validator: 7,
        jsonschema_rs.Draft201909Validator: 19,
        jsonschema_rs.Draft202012Validator: 20,
    }
