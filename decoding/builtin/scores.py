"""How an answer is compared: leaf fields by path, whole objects, and 95 % intervals."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from tether.types import Json

Z95 = 1.959964
MISSING = object()


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share; 0 where nothing was counted."""
        return self.hits / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (E. B. Wilson, 1927)."""
        if not self.total:
            return 0.0, 1.0
        n, p, z2 = self.total, self.value, Z95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def as_json(self) -> dict[str, Json]:
        """Share, counts and interval, rounded to three places."""
        low, high = self.interval()
        return {
            "share": round(self.value, 3),
            "hits": self.hits,
            "total": self.total,
            "low": round(low, 3),
            "high": round(high, 3),
        }

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.3f} [{low:.2f}, {high:.2f}]"


def parse(text: str) -> Json | object:
    """The JSON value, or MISSING where the text is none."""
    try:
        value: Json = json.loads(text)
    except ValueError:
        return MISSING
    return value


def leaves(value: Json, path: str = "") -> dict[str, Json]:
    """Every scalar by its path; an empty list or object is a leaf of its own."""
    if isinstance(value, dict) and value:
        parts = [(f"{path}.{key}", part) for key, part in value.items()]
    elif isinstance(value, list) and value:
        parts = [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for inner, part in parts for name, leaf in leaves(part, inner).items()}


def same(first: object, second: object) -> bool:
    """Equal as JSON scalars: 1 and 1.0 are one number, 1 and true are not."""
    return isinstance(first, bool) == isinstance(second, bool) and first == second


def leaf_hits(gold: Json, answer: Json | object) -> tuple[int, int]:
    """Right leaves, and leaves of the gold or the answer together."""
    wanted = leaves(gold)
    found = {} if answer is MISSING else leaves(answer)  # type: ignore[arg-type]
    hits = sum(1 for path, leaf in wanted.items() if path in found and same(leaf, found[path]))
    return hits, len(wanted.keys() | found.keys())
