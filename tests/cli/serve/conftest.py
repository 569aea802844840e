"""One server for all tests that only ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of the shipped model, on sockets and on a port."""
    # Sockets need short paths, and those of pytest are long.
    with tempfile.TemporaryDirectory() as folder:
        found = Server(Path(folder), ("--tcp", "127.0.0.1:0")).start()
        yield found
        assert found.stop() == 0, found.log.read_text()
        assert "Traceback" not in found.log.read_text(), found.log.read_text()
