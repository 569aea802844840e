"""Fixtures of the decoding room's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.models.base import Model
from tether.decoding.terms.term import Role
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source as Files

COMPANY = Path(__file__).resolve().parents[2] / "docs" / "examples" / "company.ttl"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """The shipped model in float32, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield models.load(dtype="float32")
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Role, Model]:
    """A model, an amateur and an expert with one tokenizer, in float32 as the shipped one is."""
    found: dict[Role, Model] = {}
    roles: tuple[Role, ...] = ("model", "amateur", "expert")
    for seed, role in enumerate(roles):
        directory = tmp_path_factory.mktemp(role)
        save_checkpoint(directory, request.param, seed=seed)
        found[role] = models.load(str(directory), dtype="float32")
    return found


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The example graph."""
    folder = tmp_path_factory.mktemp("link") / "kg"
    build(folder, Files([COMPANY]))
    graph = Graph.open(folder)
    yield graph
    graph.close()
