"""Where drafters keep what they learned of a model between runs: arrays, and nothing that runs.

One .npz of plain arrays a drafter and model. A file that is broken or of another shape is as good
as none. Writing is a courtesy: where the folder cannot be written, it is learned again.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


def path(name: str, fingerprint: str) -> Path:
    """The file of a drafter and a model: in `TETHER_CACHE_DIR` or the user's cache folder."""
    override = os.environ.get("TETHER_CACHE_DIR")
    if override:
        folder = Path(override)
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("tether", appauthor=False)
    return folder / "drafts" / f"{name}-{fingerprint[:32]}.npz"


def load(name: str, fingerprint: str, like: Arrays) -> Arrays | None:
    """What was kept: arrays of the types of `like`, and of its shapes but for the first length.

    None where there is nothing to trust.
    """
    try:
        place = path(name, fingerprint)
        with place.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = {key: kept[key] for key in like}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    alike = all(
        array.dtype == like[key].dtype and array.shape[1:] == like[key].shape[1:] and array.ndim
        for key, array in found.items()
    )
    same_length = len({len(array) for array in found.values() if array.ndim}) == 1
    return found if alike and same_length else None


def store(name: str, fingerprint: str, arrays: Arrays) -> None:
    """Keep arrays; readers never see half a file."""
    place = path(name, fingerprint)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=place.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            Path(temporary).replace(place)
        finally:
            Path(temporary).unlink(missing_ok=True)
