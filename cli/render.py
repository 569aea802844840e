"""A finished text as the bytes of stdout: json, jsonl, csv, tsv, one field, raw, pretty.

Without an option the model's own text is written unchanged; nothing here alters a number.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from tether.cli import numbers
from tether.cli.config.profiles import suggest
from tether.cli.kinds import JsonValue
from tether.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a payload is written; the fields are the settings of the same names."""

    format: str = "json"
    field: str | None = None
    raw: bool = False
    pretty: bool = False

    def check(self, *, is_json: bool) -> None:
        """Refuse combinations that cannot be meant, before anything is generated.

        Raises:
            UsageError: Options contradict each other, or ask for parts of a plain text.
        """
        if not is_json and (self.format != "json" or self.field or self.pretty):
            raise UsageError(
                "The output is plain text: --format, --field and --pretty need JSON.",
                hint="Leave them out, or ask for JSON (tether json).",
            )
        if self.pretty and self.format != "json":
            raise UsageError(f"--pretty cannot indent {self.format}.", hint="Leave one out.")
        if self.raw and self.format in ("csv", "tsv"):
            raise UsageError(f"--raw has no meaning for {self.format}.", hint="Leave one out.")

    def render(self, text: str) -> str:
        """A JSON text as it goes to stdout, without the last newline.

        Raises:
            UsageError: `field` names nothing, or the value does not fit a table.
        """
        if self == Rendering():
            return text
        value = numbers.loads(text)
        if self.field is not None:
            value = pick(value, self.field)
        if self.format in ("csv", "tsv"):
            return table(value, "," if self.format == "csv" else "\t")
        if self.format == "jsonl" and isinstance(value, list):
            return "\n".join(self._one(item) for item in value)
        return self._one(value)

    def _one(self, value: JsonValue) -> str:
        if self.raw and isinstance(value, str):
            return str(value)
        return numbers.dumps(value, 2 if self.pretty else None)


def pick(value: JsonValue, path: str) -> JsonValue:
    """The part of a JSON value at `a.b.0`; a key that has dots itself is tried whole first.

    Raises:
        UsageError: There is no such part; the hint lists what there is.
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    head, _, rest = path.partition(".")
    if isinstance(value, dict) and head in value:
        found = value[head]
    elif isinstance(value, list) and head.isdecimal() and int(head) < len(value):
        found = value[int(head)]
    else:
        raise UsageError(f"The output has no field {path!r}.", hint=_parts_of(value, head))
    return pick(found, rest) if rest else found


def table(value: JsonValue, delimiter: str) -> str:
    """An object or a list of objects as delimited text with a header; nested values as JSON.

    Raises:
        UsageError: The value is neither.
    """
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise UsageError(
            "csv and tsv need an object or a list of objects.",
            hint="Choose a part with --field, or use --format json.",
        )
    header = list(dict.fromkeys(key for row in rows for key in row))
    return delimited(
        [header, *([cell(row.get(key, "")) for key in header] for row in rows)], delimiter
    )


def delimited(rows: list[list[str]], delimiter: str) -> str:
    """Rows in the csv module's quoting, lines ended by a newline, none after the last."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue().removesuffix("\n")


def cell(value: JsonValue) -> str:
    """A JSON value in a table: texts as they are, null as nothing, the rest as JSON."""
    if value is None:
        return ""
    return str(value) if isinstance(value, str) else numbers.dumps(value)


def _parts_of(value: JsonValue, wanted: str) -> str:
    if isinstance(value, dict) and value:
        return suggest(wanted, list(value), "fields")
    if isinstance(value, list) and value:
        return f"The list has the positions 0 to {len(value) - 1}."
    return "That part of the output holds nothing inside."
