"""Fixtures of the drafts' tests."""

from __future__ import annotations

from collections.abc import Iterator

import draft_cases
import pytest


@pytest.fixture
def eager() -> Iterator[None]:
    """Whatever is drafted is read, whether it pays or not."""
    with draft_cases.eager():
        yield
