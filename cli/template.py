"""Prompt templates: text with `{field}` placeholders. No attribute, index, format or code."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tether.cli.config.profiles import suggest
from tether.cli.kinds import JsonValue
from tether.cli.numbers import dumps
from tether.errors import ProfileError, UsageError


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        parts: (literal text, name of the placeholder after it or None), in order.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str, place: str = "template") -> Template:
        """Read `{name}`; `{{` and `}}` are braces.

        Raises:
            ProfileError: A brace stands alone or a placeholder is more than a name.
        """
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ProfileError(
                f"{place}: the template does not parse: {error}.",
                hint="Write {name} for a field, {{ and }} for braces.",
            ) from error
        for _, name, form, conversion in pieces:
            if name is not None and (form or conversion or not name.isidentifier()):
                raise ProfileError(
                    f"{place}: the placeholder {{{name}}} is not a plain name.",
                    hint="Write {name}; attributes, positions and formats are not offered.",
                )
        return cls(tuple((literal, name) for literal, name, _, _ in pieces))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the template needs, each once."""
        return tuple(dict.fromkeys(name for _, name in self.parts if name is not None))

    def fill(self, fields: Mapping[str, Any]) -> str:
        """The text with the fields put in: texts as they are, other values as JSON.

        Raises:
            UsageError: A field is missing.
        """
        for name in self.names:
            if name not in fields:
                raise UsageError(
                    f"The template needs the field `{name}`, which is missing.",
                    hint=suggest(name, sorted(fields), "fields") if fields else "",
                )
        return "".join(
            literal + ("" if name is None else _text(fields[name])) for literal, name in self.parts
        )


def _text(value: JsonValue) -> str:
    return str(value) if isinstance(value, str) else dumps(value)
