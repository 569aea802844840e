"""Every error tether raises on purpose, by who can cure it.

    TetherError                        exit
    ├── InternalError                   1    a bug of ours: please report it
    ├── OutputError                     1    the disk is full, or the like
    ├── UsageError                      2    flags, arguments, input rows
    ├── RefusedError                    3    refused before generation
    │   ├── SchemaError                      a JSON Schema (pointer, keyword, cure)
    │   │   └── Unsatisfiable       4    a JSON Schema that no value satisfies
    │   ├── GrammarError                     a regex, Lark, GBNF text (line, column, caret)
    │   ├── ProfileError                     a TOML profile (file, key, suggestion)
    │   └── EvidenceError                    passages, indexes, graphs
    ├── GenerationError                      a row that could not be finished
    │   ├── DeadEnd                     4    no legal output exists
    │   ├── LimitReached                5    the token limit came first
    │   └── Abstained                   8    the evidence does not carry the answer
    ├── BatchFailed                     6    a batch ended with failed rows
    └── UnavailableError                7    model, device or index cannot be had
        └── ModelError

A message is: what, where, why, what next; one sentence each.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar, Self

_ELSEWHERE = "Allow it (chmod), or name another place."
_CURES = {
    errno.ENOENT: "Check the name and the folder.",
    errno.ENOTDIR: "Check the name and the folder.",
    errno.EISDIR: "Name a file instead of a folder.",
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOSPC: "Free some space and run it again.",
    errno.EDQUOT: "Free some space and run it again.",
}


class TetherError(Exception):
    """The base of all errors that tether raises on purpose.

    Args:
        message: What went wrong and where, as a full sentence.
        hint: What to do next, as a full sentence; empty when there is nothing to add.
        pointer: JSON Pointer, TOML key or `line:column` of the cause, where there is one.
        excerpt: The offending text with a caret under the error, where there is one.
    """

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "internal"

    def __init__(
        self, message: str, *, hint: str = "", pointer: str | None = None, excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.pointer = pointer
        self.excerpt = excerpt

    @classmethod
    def from_os(cls, what: str, error: OSError, *, hint: str = "") -> Self:
        """What the operating system refused to do.

        Args:
            what: All of the message but the reason, such as `x.txt cannot be read`.
            error: Gives the reason.
            hint: What to do next, where there is more to say than the reason tells.
        """
        reason = os.strerror(error.errno) if error.errno else str(error)
        return cls(f"{what}: {reason}.", hint=hint or _CURES.get(error.errno or 0, ""))

    def __str__(self) -> str:
        """The message, the excerpt and the hint, each on lines of its own."""
        return "\n".join(part for part in (self.message, self.excerpt, self.hint) if part)


class InternalError(TetherError):
    """An invariant of ours does not hold."""


class OutputError(TetherError):
    """What was made cannot be written: the disk is full, or the like."""

    kind = "output"


class UsageError(TetherError):
    """A flag, an argument or an input row is wrong."""

    exit_code = 2
    kind = "usage"


class RefusedError(TetherError):
    """Something the user wrote was refused before any generation."""

    exit_code = 3
    kind = "refused"


class SchemaError(RefusedError):
    """A JSON Schema was refused; `pointer` is the JSON Pointer of the cause."""

    kind = "schema"


class Unsatisfiable(SchemaError):
    """No value satisfies a JSON Schema; the message names the parts that contradict each other."""

    exit_code = 4


class GrammarError(RefusedError):
    """A regex, Lark or GBNF text was refused; `pointer` is `line:column`."""

    kind = "grammar"


class ProfileError(RefusedError):
    """A profile file was refused; `pointer` is the file and the key."""

    kind = "profile"


class EvidenceError(RefusedError):
    """Passages, an index or a graph were refused."""

    kind = "evidence"


class GenerationError(TetherError):
    """A row could not be finished; `partial` is the text it had so far."""

    kind = "generation"

    def __init__(self, message: str, *, partial: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.partial = partial


class DeadEnd(GenerationError):
    """No legal token exists."""

    exit_code = 4
    kind = "dead_end"


class LimitReached(GenerationError):
    """The token limit came before the end of the output."""

    exit_code = 5
    kind = "limit"


class Abstained(GenerationError):
    """The evidence does not carry the answer."""

    exit_code = 8
    kind = "abstained"


class BatchFailed(TetherError):
    """A batch ended with failed rows."""

    exit_code = 6
    kind = "batch"


class UnavailableError(TetherError):
    """A model, a device or an index cannot be had."""

    exit_code = 7
    kind = "unavailable"


class ModelError(UnavailableError):
    """A model directory cannot be loaded."""

    kind = "model"
