"""Graphs of files are built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tether.errors import UnavailableError, UsageError
from tether.grounding.graph import cached
from tether.grounding.graph.cached import open_graph


def test_a_file_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "a.ttl"
    data.write_text("<http://e/a> <http://e/p> 1 .")
    first = open_graph(data, tmp_path / "cache")
    assert first.facts.num_triples == 1
    assert [p.name for p in (tmp_path / "cache" / "graphs").iterdir()] == [first.path.name]
    with monkeypatch.context() as patched:
        patched.setattr(cached, "build", None)
        assert open_graph(data, tmp_path / "cache").path == first.path
        assert open_graph(first.path, tmp_path / "cache").facts.num_triples == 1
    data.write_text("<http://e/a> <http://e/p> 1, 2 .")
    assert open_graph(data, tmp_path / "cache").facts.num_triples == 2


def test_no_graph(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UsageError, match="not known"):
        open_graph(tmp_path / "a.txt", tmp_path)
    with pytest.raises(UnavailableError, match="is not a graph"):
        open_graph(tmp_path / "none", tmp_path)
