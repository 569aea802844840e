"""Names for values whose types are checked at run time: what the user or the model wrote."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""Any value that JSON text can stand for; read before it is trusted."""

SettingValue: TypeAlias = Any
"""The value of a setting; `settings_model.py` knows its type."""

TyperObject: TypeAlias = Any
"""A command, context or formatter of Typer's inner Click, which has no public name."""
