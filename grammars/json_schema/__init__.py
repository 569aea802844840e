"""JSON Schema: schema text -> constraint, findings and the exact judge of what comes out."""

from __future__ import annotations

import sys
from types import ModuleType

from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.compile import json_schema
from tether.grammars.json_schema.lint import schema_findings

__all__ = ["Bounds", "json_schema", "schema_findings"]


class _CallableModule(ModuleType):
    """This package, callable as the function of the same name.

    Python binds a sub-package over its parent's attribute when it is first imported, so
    `from tether.grammars import json_schema` may give this module instead of the function.
    """

    __call__ = staticmethod(json_schema)


sys.modules[__name__].__class__ = _CallableModule
