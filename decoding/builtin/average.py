"""Averages checkpoints of one run: `python -m tether.decoding.builtin.average OUT A B`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def average(out: Path, checkpoints: Sequence[Path]) -> None:
    """Each weight of `out` is the mean of that weight in `checkpoints`, in bfloat16.

    Configuration and tokenizer are those of the last.
    """
    tables = [load_file(checkpoint / WEIGHTS) for checkpoint in checkpoints]
    means = {
        name: torch.stack([table[name].float() for table in tables]).mean(0).bfloat16()
        for name in tables[-1]
    }
    shutil.copytree(checkpoints[-1], out)
    save_file(means, out / WEIGHTS, metadata={"format": "pt"})


def main() -> None:
    """Reads the flags and writes the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    flags = parser.parse_args()
    average(flags.out, flags.checkpoints)


if __name__ == "__main__":
    main()
