"""Many strings in two files: their UTF-8 bytes one after another, and where each begins.

`NAME.bin` holds the bytes, `NAME.npy` int64 [num_strings + 1] offsets into them. Reading maps both
into memory, so opening costs nothing, however many there are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, overload

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError


class Strings(Sequence[str]):
    """Strings of a folder, read where they lie.

    Attributes:
        offsets: int64 [num_strings + 1], where each string begins in `data`, and the end.
        data: uint8 [num_bytes].
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.offsets = load_array(folder / f"{name}.npy", "int64", 1)
        self.data = _map_bytes(folder / f"{name}.bin")
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.data):
            raise damaged(folder / f"{name}.npy", "its offsets do not fit the strings")

    def __len__(self) -> int:
        """How many strings there are."""
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One string, or a list of them.

        Raises:
            UnavailableError: The bytes are not UTF-8: the file was changed.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"string {index} of {len(self)}")
        try:
            return self.bytes(index % len(self)).decode("utf-8")
        except UnicodeDecodeError:
            raise UnavailableError(
                f"String {index} of the index is damaged: it is not UTF-8.",
                hint="`tether index verify` says which file was changed.",
            ) from None

    def bytes(self, index: int) -> bytes:
        """The UTF-8 bytes of string `index`, from 0."""
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()


class StringWriter:
    """Writes the files of `Strings`; a context manager. Not whole before it is closed."""

    def __init__(self, folder: Path, name: str) -> None:
        self._offsets = array("q", [0])
        self._path = folder / f"{name}.npy"
        self._stream = (folder / f"{name}.bin").open("wb")

    def __len__(self) -> int:
        """How many strings there are so far."""
        return len(self._offsets) - 1

    def append(self, text: str) -> None:
        """Add a string."""
        data = text.encode("utf-8")
        self._stream.write(data)
        self._offsets.append(self._offsets[-1] + len(data))

    def copy(self, strings: Strings, first: int, last: int) -> None:
        """Add the strings `first` to `last` (exclusive) of other files."""
        offsets = strings.offsets[first : last + 1]
        self._stream.write(strings.data[offsets[0] : offsets[-1]].data)
        moved = np.asarray(offsets[1:]) + (self._offsets[-1] - offsets[0])
        self._offsets.frombytes(moved.astype(np.int64).tobytes())

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bytes, and write the offsets unless the writing failed."""
        self._stream.close()
        if error is None:
            save_array(self._path, np.frombuffer(self._offsets, np.int64))


def load_array(path: Path, dtype: str, num_axes: int) -> NDArray[Any]:
    """A memory-mapped, read-only array of a file.

    Raises:
        UnavailableError: It is missing, cut, or of another type or shape.
    """
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, str(error)) from error
    if found.dtype != np.dtype(dtype) or found.ndim != num_axes:
        raise damaged(path, f"it holds {found.dtype} with {found.ndim} axes")
    return np.asarray(found)  # still mapped, without the cost of numpy's memmap class


def write_header(stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """The head of a .npy file: the numbers follow by ordinary writes, which tell of a full disk."""
    npy: Any = np.lib.format  # some versions of numpy have no types for it
    descr = npy.dtype_to_descr(dtype)
    npy.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as a .npy file.

    numpy.save hands the numbers to C, which says nothing where a full disk takes only some of them.

    Raises:
        OSError: The disk is full, or the like.
    """
    array = np.ascontiguousarray(array)
    with path.open("wb") as stream:
        write_header(stream, array.dtype, array.shape)
        stream.write(array.reshape(-1).view(np.uint8).data)


def damaged(path: Path, reason: str) -> UnavailableError:
    """The error for a file of an index that cannot be used."""
    return UnavailableError(
        f"The index is damaged: {path} cannot be used, {reason}.",
        hint="Restore that file from a copy, or build the index again.",
    )


def blocks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, last) of pieces of at most `size` that make up `total`."""
    for first in range(0, total, size):
        yield first, min(first + size, total)


def _map_bytes(path: Path) -> NDArray[np.uint8]:
    try:
        if path.stat().st_size == 0:  # nothing can be mapped
            return np.zeros(0, np.uint8)
        return np.asarray(np.memmap(path, np.uint8, "r"))
    except OSError as error:
        raise damaged(path, str(error.strerror)) from error
