"""Compiling a front end's grammar, for every test of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tether.grammars.engine import EngineConstraint
from tether.grammars.json_schema.front import front
from tether.grammars.vocabulary import Vocabulary

Accepts = Callable[..., bool]


@pytest.fixture(scope="session")
def accepts(byte_vocab: Vocabulary) -> Accepts:
    """Whether the grammar of a schema holds a text."""
    compiled: dict[str, EngineConstraint] = {}

    def ask(schema: Any, text: str, **options: Any) -> bool:
        grammar = front(schema, **options).grammar
        if grammar not in compiled:
            compiled[grammar] = EngineConstraint(grammar, byte_vocab)
        return compiled[grammar].validate(text) is None

    return ask
