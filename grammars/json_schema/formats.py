"""Formats that are newer than the draft of a schema, judged as the newest draft judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

NEWEST = 20
"""Draft 2020-12, as jsonschema-rs numbers it."""
SINCE = {
    "uri-reference": 6,
    "uri-template": 6,
    "json-pointer": 6,
    "idn-hostname": 7,
    "iri": 7,
    "iri-reference": 7,
    "relative-json-pointer": 7,
    "uuid": 19,
    "duration": 19,
}
"""The first draft with a format; all other formats are in every draft, or in none."""

FORMATS = frozenset(SINCE) | frozenset(
    ("date-time", "date", "time", "email", "idn-email", "hostname", "ipv4", "ipv6", "uri", "regex")
)
"""All formats of JSON Schema; others are notes."""


@cache
def late_formats(draft: int) -> Mapping[str, Callable[..., bool]]:
    """Judges of the formats that `draft` does not know yet and jsonschema-rs would ignore."""
    import jsonschema_rs

    return {
        name: jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid
        for name, since in SINCE.items()
        if draft < since
    }
