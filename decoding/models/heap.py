"""Memory that forwards on a CPU have used stays with the process: the next ones need it again.

glibc gives large pieces back to the system as soon as they are free, and the system fills each page
with zeros when it is used again. A forward makes and leaves megabytes, layer by layer.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # their numbers in glibc's malloc.h, see mallopt(3)
_KEPT = 64 << 20  # free bytes at the end of the heap that stay with the process
_LARGE = 32 << 20  # a piece from which on it is the system's as soon as it is free


@cache
def keep_memory() -> bool:
    """Have this process keep what it has freed; whether its C library can."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT)) and bool(mallopt(_MMAP_THRESHOLD, _LARGE))
