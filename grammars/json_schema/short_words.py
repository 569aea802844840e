"""The words of the short schema syntax, shared by its reader and its writer."""

from __future__ import annotations

import re
from typing import Any

TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "datetime": {"type": "string", "format": "date-time"},
    "email": {"type": "string", "format": "email"},
    "uri": {"type": "string", "format": "uri"},
    "uuid": {"type": "string", "format": "uuid"},
    "any": {},
}
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""Keys that need no quotes."""
PLAIN_VALUE = re.compile(r"[^\W\d][\w./+#&'-]*")
"""Enum texts that need no quotes, but for `null`."""
