"""Where and with what a measurement ran: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = (
    *("torch", "transformers", "jsonschema-rs", "llguidance"),
    *("outlines", "outlines-core", "xgrammar"),
    *("bm25s", "faiss-cpu", "sentence-transformers"),
)


@cache
def machine() -> dict[str, object]:
    """CPU model, usable cores, system; the load before we began tells a busy machine."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "cores": usable,
        "platform": f"{platform.system()}-{platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def versions() -> dict[str, str | None]:
    """Installed versions; None where a package is not installed."""
    import tether

    found: dict[str, str | None] = {"tether": tether.__version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


@cache
def commit() -> str:
    """The short commit, with a plus where sources differ from it; empty outside a checkout."""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return f"{head}+" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
