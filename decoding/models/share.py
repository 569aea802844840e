"""One of several processes on a machine: its threads and its device."""

from __future__ import annotations

import torch


def take(number: int, num: int) -> None:
    """Take this process's share; to be called before a model is loaded.

    Of the processor, one `num`th of the threads. Of several CUDA devices, the one that is counted
    off by `number`: "cuda" and "auto" then mean that one.

    Args:
        number: Which of the processes this is, from 0.
        num: How many there are.
    """
    torch.set_num_threads(max(1, torch.get_num_threads() // num))
    devices = torch.cuda.device_count()
    if devices:
        torch.cuda.set_device(number % devices)
