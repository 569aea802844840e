"""What a schema would cost the library that makes it canonical."""

from __future__ import annotations

from typing import Any

import pytest

from tether.grammars.json_schema.front.chains import longest_chain
from tether.grammars.json_schema.front.strain import Strain


def _chain(length: int, last: Any, **more: Any) -> dict[str, Any]:
    parts = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}], **more} for i in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**parts, f"d{length}": last}}


@pytest.mark.parametrize(
    ("schema", "length"),
    [
        ({}, 0),
        ({"$ref": "#"}, 0),
        (_chain(5, {"type": "integer"}), 6),
        (_chain(5, {"$ref": "#/$defs/d0"}), 7),
        (_chain(5, {"properties": {"a": {"$ref": "#/$defs/d0"}}}), 6),
        ({"$defs": {"a": {"not": {"if": {"$ref": "#/$defs/b"}}}, "b": {}}, "$ref": "#/$defs/a"}, 2),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, 1),
    ],
)
def test_longest_chain(schema: Any, length: int) -> None:
    assert longest_chain(schema) == length


def test_chains_of_thousands_are_too_deep_and_trees_of_as_many_are_not() -> None:
    assert Strain(_chain(3000, True)).too_deep
    tree: dict[str, Any] = {f"d{i}": {"items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(3000)}
    strain = Strain({"$defs": {**tree, "d3000": {}}, "$ref": "#/$defs/d0"})
    assert strain.deep
    assert not strain.too_deep


@pytest.mark.parametrize(
    ("branch", "most"),
    [
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, 13),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, 6),
        ({"not": {"required": ["a", "b"]}}, 6),
    ],
)
def test_multiplied_cases_are_too_wide(branch: Any, most: int) -> None:
    assert not Strain({"allOf": [branch] * most}).too_wide
    assert Strain({"allOf": [branch] * (most + 2)}).too_wide


def test_negations_of_one_key_are_never_too_wide() -> None:
    assert not Strain({"allOf": [{"not": {"required": ["a"]}}] * 1000}).too_wide


def test_thousands_of_branches_that_exclude_each_other_are_too_wide() -> None:
    branches: list[Any] = [{"pattern": f"^{i}"} for i in range(2000)]
    assert Strain({"oneOf": branches}).too_wide
    assert not Strain({"oneOf": branches[:1000]}).too_wide
    assert not Strain({"anyOf": branches}).too_wide
