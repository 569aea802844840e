"""What forwards have freed stays with the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_CHILD = """
from resource import RUSAGE_SELF, getrusage

import torch

from tether.decoding.models.heap import keep_memory

def faults() -> int:
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(20):
        held = [torch.ones(1 << 20) for _ in range(4)]
        del held
    return getrusage(RUSAGE_SELF).ru_minflt - before

faults()
usual = faults()
if not keep_memory():
    print("no glibc")
else:
    faults()
    print(usual, faults())
"""


def test_memory_is_not_asked_for_anew() -> None:
    """Where the heap begins as it may grow to be: whatever is free goes back."""
    eager = {"MALLOC_TRIM_THRESHOLD_": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        capture_output=True,
        text=True,
        env=os.environ | eager,
        check=True,
    )
    if "glibc" in done.stdout:
        pytest.skip("the C library has no mallopt")
    usual, kept = map(int, done.stdout.split())
    assert kept * 20 < usual
