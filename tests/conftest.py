"""What all tests share: the long ones run whole where that is asked for, and in a sample else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Without a GPU, kernels run in Triton's interpreter; it looks at this when it is first imported.
if not list(Path("/dev").glob("nvidia[0-9]*")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

# A shell that runs this in the background has it, and all it starts, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
WHOLE = bool(os.environ.get("TETHER_TEST_ALL"))


@pytest.fixture(scope="session")
def whole() -> bool:
    """Whether long suites run whole (`just test-all`)."""
    return WHOLE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no test data at {SHARED}")
    return SHARED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is slow unless everything was asked for."""
    if WHOLE:
        return
    reason = "slow: set TETHER_TEST_ALL=1, or run `just test-all`"
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
