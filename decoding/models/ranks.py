"""One model over several processes that torchrun started: who this one is, and a word to all.

Every rank runs the same loop on the same rows and draws the same tokens; the library's own plan
splits the weights. Rank 0 alone reads and writes: what it reads it passes on.
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist

from tether.errors import ModelError, UnavailableError

_PATIENCE = timedelta(days=30)
"""How long ranks wait for the next row, which may be typed by hand."""

_words: dist.ProcessGroup | None = None


def begin() -> int:
    """Meet the other ranks; the number of this one. From here on `models.load` splits models.

    Raises:
        ModelError: torchrun has not started this process.
    """
    global _words
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        raise ModelError(
            "--tensor-parallel needs several processes, one a device.",
            hint="Start them: torchrun --nproc-per-node 2 -m tether batch ... --tensor-parallel",
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    _words = dist.new_group(backend="gloo", timeout=_PATIENCE)
    return dist.get_rank()


def begun() -> bool:
    """Whether this process is one of several that run a model."""
    return _words is not None


def share(word: bytes = b"") -> bytes:
    """Rank 0's `word`, on every rank.

    Raises:
        UnavailableError: Rank 0 is gone.
    """
    try:
        size = torch.tensor([len(word)])
        dist.broadcast(size, 0, group=_words)
        data = torch.empty(int(size), dtype=torch.uint8)
        if word:
            data = torch.frombuffer(bytearray(word), dtype=torch.uint8)
        dist.broadcast(data, 0, group=_words)
    except RuntimeError as error:
        raise UnavailableError("Rank 0 has ended.") from error
    return bytes(data.numpy())
