"""Schemas of an absurd size are refused early, with the number and the limit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tether.errors import SchemaError
from tether.grammars.json_schema import schema_findings
from tether.grammars.json_schema.size import MOST_CHARACTERS, MOST_VALUES, check_size


def _check(schema: Any) -> None:
    check_size(json.dumps(schema), schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"enum": list(range(MOST_VALUES))}, f"has {MOST_VALUES + 2:,} values"),
        ({"properties": {str(i): {} for i in range(MOST_VALUES)}}, "values"),
        ({"description": "x" * MOST_CHARACTERS}, "characters"),
    ],
    ids=["enum", "properties", "text"],
)
def test_absurd_sizes_are_refused(schema: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words) as caught:
        _check(schema)
    assert caught.value.hint
    assert [finding.level for finding in schema_findings(schema)] == ["error"]


def test_marks_inside_strings_do_not_count() -> None:
    _check({"description": ":," * MOST_VALUES})
    _check({"enum": list(range(MOST_VALUES - 2))})
