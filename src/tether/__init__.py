"""Constrained and grounded generation: any Hugging Face causal LM, output that is always valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tether.cli.api import batch, generate

__version__ = "0.1.0"

__all__ = ["__version__", "batch", "generate"]


def __getattr__(name: str) -> object:
    """Import a public function on first use, so that `import tether` costs nothing."""
    if name in ("batch", "generate"):
        from importlib import import_module

        return getattr(import_module("tether.cli.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
