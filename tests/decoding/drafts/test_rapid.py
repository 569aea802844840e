"""The drafter that reads a short prompt, and how drafters that are models are made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tether.decoding import models
from tether.decoding.drafts.draft import Spot
from tether.decoding.drafts.rapid import Rapid
from tether.decoding.drafts.registry import AUTO, make, parse
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request
from tether.errors import UsageError


@pytest.fixture(scope="module")
def model() -> Model:
    return models.load()


def test_it_reads_the_short_prompt(model: Model) -> None:
    """With the whole evidence as its short prompt it guesses as the model does."""
    long = encode(model, Prompt("Where is Ann?", ("Bob is in Rome. Ann is in Oslo.",)))
    short = encode(model, Prompt("Where is Ann?", ("Ann is in Oslo.",)))
    asked = Request("a", long, prompts={"short": short})
    drafter = Rapid(model, floor=0.0)
    own = drafter.propose(Spot("a", asked, asked.prompt), 3)
    alone = Rapid(model, floor=0.0).propose(Spot("b", replace(asked, prompt=short), list(short)), 3)
    assert own.tokens == alone.tokens
    assert len(own) > 0


def test_without_a_short_prompt_it_drafts_nothing(model: Model) -> None:
    asked = Request("a", (5, 6))
    assert len(Rapid(model, floor=0.0).propose(Spot("a", asked, asked.prompt), 3)) == 0


def test_names(model: Model) -> None:
    assert parse("model,rapid,swift") == ("model", "rapid", "swift")
    assert not {"model", "rapid", "swift"} & set(AUTO)
    for name in ("rapid", "swift"):
        assert make(name, model).name == name
    assert make("model", model, model).name == "model"
    with pytest.raises(UsageError, match="needs a model"):
        make("model", model)
