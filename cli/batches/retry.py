"""The rows of an errors file, to run them again: sixteen bytes a row, however many there are."""

from __future__ import annotations

import hashlib
import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zlib import crc32

import numpy as np

from tether.cli.kinds import JsonValue
from tether.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Retry:
    """Which rows failed.

    Attributes:
        indices: int64 [rows], ascending, each once.
        ids: int64 [rows], the checksum of each one's id.
    """

    indices: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an errors file.

        Raises:
            UsageError: It cannot be read or is not an errors file.
        """
        indices, ids = array("q"), array("q")
        try:
            with path.open("rb") as stream:
                for number, line in enumerate(stream, 1):
                    index, name = _row(line, f"{path}:{number}")
                    indices.append(index)
                    ids.append(_mark(name))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
        found, first = np.unique(np.frombuffer(indices, np.int64), return_index=True)
        return cls(found, np.frombuffer(ids, np.int64)[first])

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.indices)

    def __contains__(self, index: int) -> bool:
        """Whether the row at this index failed."""
        at = int(np.searchsorted(self.indices, index))
        return at < len(self) and int(self.indices[at]) == index

    def names(self, index: int, name: JsonValue) -> bool:
        """Whether the row at this index, which is one of these, had this id."""
        return int(self.ids[np.searchsorted(self.indices, index)]) == _mark(name)

    @property
    def digest(self) -> str:
        """Equal for equal rows."""
        return hashlib.sha256(self.indices.tobytes() + self.ids.tobytes()).hexdigest()


def _row(line: bytes, place: str) -> tuple[int, JsonValue]:
    """Index and id of a line."""
    try:
        value = json.loads(line)
        index = value["index"]
        if type(index) is int and 0 <= index < 2**63:
            return index, value.get("id")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise UsageError(
        f"{place} is not a line of an errors file.", hint="Give the file that --errors wrote."
    )


def _mark(name: JsonValue) -> int:
    """A checksum that tells an id from others, and 1 from "1"."""
    return crc32(json.dumps(name).encode())
