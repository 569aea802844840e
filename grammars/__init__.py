"""What may be said: text -> constraint -> mask. Knows tokens as bytes, no model, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tether.grammars.constraint import Constraint, Matcher
    from tether.grammars.json_schema import json_schema
    from tether.grammars.languages import choices, gbnf, lark, regex
    from tether.grammars.product import All
    from tether.grammars.verbatim import Evidence, verbatim_text
    from tether.grammars.vocabulary import Vocabulary

_HOMES = {
    "All": "product",
    "Constraint": "constraint",
    "Evidence": "verbatim",
    "Matcher": "constraint",
    "Vocabulary": "vocabulary",
    "choices": "languages",
    "gbnf": "languages",
    "json_schema": "json_schema",
    "lark": "languages",
    "regex": "languages",
    "verbatim_text": "verbatim",
}

__all__ = [
    "All",
    "Constraint",
    "Evidence",
    "Matcher",
    "Vocabulary",
    "choices",
    "gbnf",
    "json_schema",
    "lark",
    "regex",
    "verbatim_text",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that `import tether.grammars` costs nothing."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
