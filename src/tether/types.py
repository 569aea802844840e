"""Small shared words: literals and JSON types that more than one room uses. Imports nothing."""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias

TokenId = NewType("TokenId", int)

JsonScalar: TypeAlias = str | int | float | bool | None
Json: TypeAlias = "JsonScalar | list[Json] | dict[str, Json]"

FinishReason = Literal["stop", "limit", "dead_end", "cancelled", "usage", "error", "abstained"]
"""Why a row ended: constraint complete, token limit, no legal token, cancelled, what
was asked cannot be done, an error, or evidence that does not carry the answer."""

Order = Literal["declared", "any"]
Whitespace = Literal["compact", "flexible"]
Formats = Literal["assert", "annotate"]
