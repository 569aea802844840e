"""JSON Schema: schema text -> constraint, findings and the exact judge of what comes out."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tether.grammars.json_schema.bounds import Bounds
    from tether.grammars.json_schema.compile import json_schema
    from tether.grammars.json_schema.lint import schema_findings

__all__ = ["Bounds", "json_schema", "schema_findings"]

_HOMES = {"Bounds": "bounds", "json_schema": "compile", "schema_findings": "lint"}
"""The module of each public name; loaded on first use, so that a check needs no engine."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


class _CallableModule(ModuleType):
    """This package, callable as the function of the same name.

    Python binds a sub-package over its parent's attribute when it is first imported, so
    `from tether.grammars import json_schema` may give this module instead of the function.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        return __getattr__("json_schema")(*args, **options)


sys.modules[__name__].__class__ = _CallableModule
