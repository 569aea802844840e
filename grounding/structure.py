"""A passage as scope, aspects and points: its own sentences under headings. Knows no model.

After "Enhancing LLM's Cognition via Structurization" (Liu et al., NeurIPS 2024). Ours: the model
only names the scope, and the aspect of each sentence; the sentences are constants of the schema, so
that none is lost, changed or said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tether.grounding.relevance import sentences
from tether.types import Json

_SCOPE, _ASPECT = 80, 40  # characters

FIELDS = "scope, points [{quote, aspect}]"
"""The form of the answer in the short syntax, for models that read that."""


@dataclass(frozen=True, slots=True)
class Structured:
    """A passage under headings.

    Attributes:
        scope: What it is about.
        aspects: Name of an aspect to its points, the sentences of the passage in their order.
    """

    scope: str
    aspects: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From an answer under `schema`; aspects of the same name are one."""
        aspects: dict[str, tuple[str, ...]] = {}
        for point in answer["points"]:
            name = point["aspect"].strip()
            aspects[name] = (*aspects.get(name, ()), point["quote"])
        return cls(answer["scope"].strip(), aspects)

    @property
    def points(self) -> list[str]:
        """All points, sorted."""
        return sorted(point for points in self.aspects.values() for point in points)

    def text(self) -> str:
        """What a prompt holds instead of the passage."""
        blocks = [f"{self.scope}:"]
        for name, points in self.aspects.items():
            blocks.append("\n".join([f"{name}:", *(f"- {point}" for point in points)]))
        return "\n\n".join(blocks)


def points(passage: str) -> list[str]:
    """The sentences of a passage, without the blanks around them."""
    return [passage[s.start : s.end].strip() for s in sentences(passage)]


def schema(passage: str) -> dict[str, Json]:
    """The JSON Schema of the answer for one passage."""
    parts: list[Json] = [
        _object(quote={"const": point}, aspect=_heading(_ASPECT)) for point in points(passage)
    ]
    array: dict[str, Json] = {"type": "array", "minItems": len(parts), "maxItems": len(parts)}
    return _object(scope=_heading(_SCOPE), points={**array, "prefixItems": parts})


def _heading(longest: int) -> dict[str, Json]:
    return {"type": "string", "pattern": r"^[^\s:](.*[^\s:])?$", "maxLength": longest}


def _object(**properties: Json) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
