"""Compile what the step's kernels would launch, for an H100, on a machine that has none.

Run with a plan's name as its only argument; prints a line for each kernel that was compiled. A
process of its own, as Triton either interprets or compiles.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import torch
from step_inputs import make_contrast, make_evidence, make_inputs
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from tether.decoding import kernels
from tether.decoding.plan import Inputs, Plan


class Target:
    """A driver that knows what to compile for, and can run nothing."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int = 0) -> int:
        return device


def compile_instead(launched: list[str]) -> None:
    """From now on, launches only compile; `launched` grows by the name of each kernel."""
    run = JITFunction.run

    def warm_up(self: Any, *args: Any, **options: Any) -> Any:
        compiled = run(self, *args, **{**options, "warmup": True})
        assert compiled.asm["cubin"], f"{self.__name__} has no code"
        launched.append(f"{self.__module__}.{self.__name__}")
        return compiled

    JITFunction.run = warm_up


def plain() -> tuple[Plan, Inputs]:
    """A sampled batch as most are."""
    logits, allowed = torch.zeros(2, 131_072).bfloat16(), torch.ones(2, 131_072).bool()
    plan, inputs = make_inputs(logits, allowed, temperature=1, top_k=50, top_p=0.9)
    return replace(plan, measured=False), inputs


def everything() -> tuple[Plan, Inputs]:
    """A step that leaves nothing out."""
    contrast = make_contrast(torch.zeros(2, 2, 9000).bfloat16(), [0.5, -0.5], own=0.5)
    contrast = replace(contrast, shares=torch.full((2, 2), 0.1), sizes=torch.tensor([8000, 9000]))
    settings: dict[str, Any] = {
        "temperature": 1,
        "top_k": 9,
        "top_p": 0.9,
        "min_p": 0.1,
        "typical_p": 0.9,
    }
    evidence = make_evidence(2, {3: 1.0}, {4: 0.1})
    plan, inputs = make_inputs(
        torch.zeros(2, 9000), None, contrast=contrast, evidence=evidence, alpha=0.1, **settings
    )
    ids = torch.zeros(2, 3, dtype=torch.int64)
    return plan, replace(inputs, seen=ids, bias_ids=ids, bias=torch.ones(2, 3))


if __name__ == "__main__":
    driver.set_active(Target())
    launched: list[str] = []
    compile_instead(launched)
    kernels.choose(*{"plain": plain, "everything": everything}[sys.argv[1]]())
    sys.stdout.write("\n".join(dict.fromkeys(launched)))
