"""What a command line did, for tests that run one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Ran:
    """Exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Tether: TypeAlias = Callable[..., Ran]
"""`tether("json", "prompt", stdin=None)`; see the fixture of this name."""
