"""The JSON Schema of tether.toml, made from the settings, for editors that complete and check."""

from __future__ import annotations

from typing import Any

from tether.cli.config.settings_model import Settings


def toml_schema() -> dict[str, Any]:
    """Draft 2020-12; TOML has no null, so unset is absent."""
    model = Settings.model_json_schema(by_alias=True)
    settings = {key: _property(value) for key, value in model["properties"].items()}
    profile = {
        "description": {"type": "string", "description": "One line for `tether profile list`."},
        "extends": {
            "description": "Profiles to build on; later ones win, this one's own keys over all.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        **{key: {"$ref": f"#/$defs/settings/properties/{key}"} for key in settings},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tether.toml",
        "description": "Settings of tether and its profiles.",
        "type": "object",
        "properties": {
            **{key: {"$ref": f"#/$defs/settings/properties/{key}"} for key in settings},
            "profiles": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": profile,
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
        "$defs": {"settings": {"type": "object", "properties": settings}},
    }


def _property(value: dict[str, Any]) -> dict[str, Any]:
    """A setting without null and without pydantic's titles."""
    found = {key: item for key, item in value.items() if key not in ("title", "default", "anyOf")}
    if value.get("default") is not None:
        found["default"] = value["default"]
    kinds = [kind for kind in value.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        found = {**kinds[0], **found}
    elif kinds:
        found["anyOf"] = kinds
    return found
