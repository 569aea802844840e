"""Schemas and prompts: the repository's examples, and three schemas more.

The three leave nothing open that an engine could read in its own way: all properties required,
none besides, no formats. So the engines differ in speed, and in what they promise of a number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from facts import ROOT

if TYPE_CHECKING:
    import torch

Schema = dict[str, Any]
Prompts = Sequence[tuple[int, ...]]

_EXAMPLES = ROOT / "docs" / "examples"


def _record(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: Schema = {"type": "string"}

BUILT_IN: dict[str, Schema] = {
    "flags": _record(  # almost everything is forced
        status={"enum": ["pending", "shipped", "delivered", "cancelled"]},
        paid={"type": "boolean"},
        priority={"enum": ["low", "normal", "high"]},
        refund={"type": ["boolean", "null"]},
    ),
    "person": _record(  # open strings and a range
        name=_TEXT,
        age={"type": "integer", "minimum": 0, "maximum": 130},
        role={"enum": ["admin", "user", "guest"]},
        tags={"type": "array", "items": _TEXT},
    ),
    "order": _record(  # objects in a list
        number=_TEXT,
        lines={"type": "array", "items": _record(item=_TEXT, count={"type": "integer"})},
        total={"type": "number"},
    ),
}


def named(name: str) -> Schema:
    """A built-in schema, or one of docs/examples ("invoice": patterns, formats, bounds)."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    text = (_EXAMPLES / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def texts(count: int) -> list[str]:
    """`count` short English documents from docs/examples, of different lengths."""
    whole = [(_EXAMPLES / name).read_text(encoding="utf-8") for name in ("mail.txt", "note.txt")]
    lines = (_EXAMPLES / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    found = [*(text.strip() for text in whole), *(json.loads(line)["prompt"] for line in lines)]
    # Two neighbours together make one more document.
    found += [f"{a} {b}" for a, b in pairwise(found)]
    if count > len(found):
        raise ValueError(f"docs/examples holds {len(found)} documents, not {count}")
    return found[:count]


def padded(asked: Prompts, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 [rows, longest], zeros on the left, and its attention mask."""
    import torch

    longest = max(map(len, asked))
    tokens = [[0] * (longest - len(prompt)) + list(prompt) for prompt in asked]
    real = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in asked]
    return torch.tensor(tokens).to(device), torch.tensor(real).to(device)
