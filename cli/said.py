"""What may be said, from settings: the one place where they become a spec of the grammars room."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tether.cli.settings import Resolved
from tether.cli.settings_model import CONSTRAINTS as KEYS

if TYPE_CHECKING:
    from tether.grammars.spec import Spec

__all__ = ["KEYS", "Said", "read"]


@dataclass(frozen=True, slots=True)
class Said:
    """What may be said; equal where the language is equal.

    Attributes:
        key: Everything that decides the language, as text.
        is_json: Whether the output is JSON.
        spec: For the grammars room; None is free text.
        schema: The JSON Schema, where there is one.
    """

    key: str = "free text"
    is_json: bool = False
    spec: Spec | None = field(default=None, compare=False)
    schema: Any = field(default=None, compare=False)

    def fields(self, *, short: bool) -> str:
        """The wanted JSON in the prompt: the short line, or the schema's text."""
        if not self.is_json:
            return ""
        if short:
            from tether.grammars.json_schema.short import to_short

            return to_short(self.schema)
        return json.dumps(self.schema, ensure_ascii=False, separators=(",", ":"))
