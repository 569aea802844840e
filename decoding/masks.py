"""The masks of a turn: what each row may say next, made while a forward runs where that pays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from tether.decoding.row import Row
from tether.grammars.constraint import Mask

# Shorter forwards, or masks made faster, cost less than handing masks to a thread.
_THREAD_AFTER_S, _THREAD_FROM_S = 0.004, 0.001


class Masks:
    """Makes the masks of some rows.

    Attributes:
        forward_s: Seconds of the last forward.

    Args:
        num_words: Of a mask.
        refused: int64 [n], ids that free text beside constrained rows never holds.
        threads: Where masks are made while a forward runs.
    """

    def __init__(self, num_words: int, refused: Tensor, threads: ThreadPoolExecutor) -> None:
        self._free, self._threads = _packed(refused, num_words), threads
        self.forward_s = self._spent_s = 0.0

    def start(self, rows: Sequence[Row]) -> Future[Tensor | None]:
        """As `of`; on a thread where a forward is long enough to hide what is worth it."""
        if self.forward_s > _THREAD_AFTER_S and self._spent_s > _THREAD_FROM_S:
            return self._threads.submit(self.of, rows)
        done: Future[Tensor | None] = Future()
        done.set_result(self.of(rows))
        return done

    def of(self, rows: Sequence[Row]) -> Tensor | None:
        """Masks int32 [rows, words] on the CPU.

        None where no row is constrained, has terms or sources, which know no refused ids.
        """
        if not any(row.constrained or row.request.terms or row.request.sources for row in rows):
            return None
        began = time.thread_time()
        masks = np.empty((len(rows), len(self._free)), dtype=np.int32)
        for mask, row in zip(masks, rows, strict=True):
            mask[:] = self._free
            row.fill_mask(mask)
        self._spent_s = time.thread_time() - began
        return torch.from_numpy(masks)


def _packed(refused: Tensor, num_words: int) -> Mask:
    """The mask of free text beside constrained rows, int32 [words]: all but `refused`."""
    bits = np.ones(num_words * 32, dtype=np.uint8)
    bits[refused.cpu().numpy()] = 0
    return np.packbits(bits, bitorder="little").view(np.int32)
