"""Drafters that need nothing beside the model: what they propose, learn and keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tether.decoding import models
from tether.decoding.drafts import kept, registry
from tether.decoding.drafts.draft import Draft, Drafter, Spot, Verdict
from tether.decoding.drafts.lookup import Lookup, Trust
from tether.decoding.drafts.ngrams import Ngrams
from tether.decoding.drafts.recycle import Recycle
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.noise import gumbel
from tether.decoding.request import Request, Sampling
from tether.errors import InternalError, UsageError
from tether.grammars.spec import Spec
from tether.types import Json

VOCAB = 50


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETHER_CACHE_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def shipped() -> Model:
    return models.load(None, device="cpu", dtype="float32")


def model(fingerprint: str = "abc") -> Any:
    network = SimpleNamespace(head_size=VOCAB)
    return SimpleNamespace(fingerprint=fingerprint, network=network, vocabulary=None)


def spot(context: Sequence[int], num_drafted: int = 0, temperature: float = 0.0) -> Spot:
    request = Request("row", (1, 2), sampling=Sampling(temperature=temperature, seed=3))
    return Spot("row", request, list(context), num_drafted)


def verdict(
    context: Sequence[int],
    said: Sequence[int],
    logits: torch.Tensor | None = None,
    draft: Draft | None = None,
) -> Verdict:
    request = spot(context).request
    choices = range(len(said))
    return Verdict("row", request, context, draft or Draft(), said, choices, [], logits)


def likely(*rows: Sequence[int]) -> torch.Tensor:
    """Logits [rows, vocab] that fall along the tokens of each row, and are low elsewhere."""
    logits = torch.full((len(rows), VOCAB), -20.0)
    for row, tokens in zip(logits, rows, strict=True):
        row[list(tokens)] = torch.arange(len(tokens), 0, -1).float()
    return logits


def best_path(draft: Draft) -> list[int]:
    """The tokens along the best child of each node."""
    path, node = list[int](), -1
    while after := [n for n, parent in enumerate(draft.parents) if parent == node]:
        node = max(after, key=lambda n: draft.chances[n])
        path.append(draft.tokens[node])
    return path


def test_a_draft_refuses_nodes_without_an_earlier_parent() -> None:
    with pytest.raises(InternalError):
        Draft((1, 2), (-1, 1), (0.5, 0.5))
    with pytest.raises(InternalError):
        Draft((1, 2), (-1,), (0.5, 0.5))


def test_a_draft_is_followed_along_its_paths() -> None:
    draft = Draft((1, 2, 3, 2), (-1, 0, 0, 1), (0.5,) * 4)
    assert list(draft.follow([1, 2, 2, 9])) == [0, 1, 3]
    assert list(draft.follow([2, 2], 0)) == [1, 3]
    assert (draft.path(3), draft.depths, draft.is_chain) == ([0, 1, 3], [0, 1, 1, 2], False)
    assert draft.lineage[3] == [True, True, False, True]
    assert Draft.chain([5, 6], [0.5, 0.5]).is_chain


def test_lookup_prefers_the_longest_match_then_the_latest() -> None:
    lookup = Lookup(model())
    text = [9, 5, 6, 10, 11, 8, 5, 6, 20, 21, 9, 5, 6]
    assert best_path(lookup.propose(spot(text), 3))[:2] == [10, 11]
    assert best_path(lookup.propose(spot([7, *text[1:-3], 3, 5, 6]), 3))[:2] == [20, 21]
    assert len(lookup.propose(spot([1, 2, 3]), 3)) == 0


def test_lookup_goes_on_after_what_is_drafted_and_forgets_what_is_taken_back() -> None:
    lookup = Lookup(model())
    text = [4, 5, 6, 7, 8, 30, 4, 5]
    assert best_path(lookup.propose(spot(text), 2))[0] == 6
    assert best_path(lookup.propose(spot([*text, 6], num_drafted=1), 2))[0] == 7
    assert best_path(lookup.propose(spot([*text[:-1], 31, 7]), 2))[0] == 8
    lookup.forget("row")
    assert len(lookup.propose(spot([7, 8]), 2)) == 0


def test_a_copy_is_trusted_as_far_as_copies_went_and_drafts_its_way_out() -> None:
    trust = Trust()
    before = trust.chance(12, 4)
    for _ in range(20):
        trust.learn(12, 4, 40)
        trust.learn(13, 4, 13)
    assert trust.chance(12, 4) < 0.2 < before < trust.chance(13, 4)
    assert trust.exits(12)[0][0] == 40
    lookup = Lookup(model())
    text = [1, 2, 12, 3, 1, 2]
    for _ in range(20):
        lookup.observe(verdict(text, [40]))
        lookup.forget("row")
    assert best_path(lookup.propose(spot(text), 4)) == [40]


def test_recycled_successors_are_the_newest_answers_of_every_node() -> None:
    recycle = Recycle(model())
    draft = Draft((7, 8), (-1, 0), (0.5, 0.5))
    recycle.observe(verdict([1, 5], [7, 8], likely([7, 6], [8, 3], [9, 4, 2]), draft))
    for last, wanted in ((5, [7, 6]), (7, [8, 3]), (8, [9, 4, 2])):
        found = recycle.propose(spot([1, last]), 8)
        assert list(found.tokens[: len(wanted)]) == wanted
        assert list(found.chances) == sorted(found.chances, reverse=True)
    recycle.observe(verdict([1, 5], [6], likely([6, 30])))
    assert recycle.propose(spot([5]), 8).tokens[:2] == (6, 30)


def test_tokens_that_the_grammar_left_out_of_the_head_are_no_successors() -> None:
    recycle = Recycle(model())
    logits = torch.full((1, VOCAB), -torch.inf)
    logits[0, [3, 4]] = torch.tensor([2.0, 1.0])
    recycle.observe(verdict([1, 5], [3], logits))
    assert recycle.propose(spot([5]), 8).tokens == (3, 4)


def test_ngrams_know_the_longest_context_best() -> None:
    ngrams = Ngrams(model())
    ngrams.observe(verdict([1, 2, 3], [7], likely([7, 8])))
    ngrams.observe(verdict([9, 2, 3], [8], likely([8, 7])))
    ngrams.observe(verdict([9, 4, 3], [6], likely([6])))
    first = [ngrams.propose(spot(end), 8).tokens[0] for end in ([1, 2, 3], [9, 2, 3], [0, 4, 3])]
    assert first == [7, 8, 6]
    assert len(ngrams.propose(spot([1, 30]), 8)) == 0


def test_ngrams_average_what_they_hear() -> None:
    ngrams = Ngrams(model())
    for token in (7, 8, 8, 8):
        ngrams.observe(verdict([1, 2, 3], [token], likely([token])))
    assert ngrams.propose(spot([1, 2, 3]), 8).tokens[:2] == (8, 7)


def test_drawn_ngrams_use_the_very_noise_of_the_place() -> None:
    """The draw is the arg max of log-probability and keyed noise, as the row's own will be."""
    ngrams = Ngrams(model())
    logits = likely([7, 8, 9, 10])
    ngrams.observe(verdict([1, 2], [7], logits))
    log_q = torch.log_softmax(logits.double(), 1)
    drawn = set()
    for position in range(20):
        here = spot([1, 2, *[0] * position, 1, 2], temperature=1.0)
        state = torch.tensor([here.noise_state()])
        wanted = (log_q + gumbel(state, torch.arange(VOCAB)[None], torch.float64)).argmax()
        found = ngrams.propose(here, 8).tokens[0]
        drawn.add(found)
        assert found == int(wanted)
    assert len(drawn) > 1


@pytest.mark.parametrize("kind", [Recycle, Ngrams])
def test_what_was_learned_outlives_the_run_for_the_same_model(kind: Any) -> None:
    first = kind(model())
    for _ in range(80):
        first.observe(verdict([1, 2, 3], [7], likely([7, 8])))
    first.keep()
    assert kind(model()).propose(spot([1, 2, 3]), 8).tokens[:2] == (7, 8)
    assert len(kind(model("other")).propose(spot([1, 2, 3]), 8)) == 0


@pytest.mark.parametrize("kind", [Recycle, Ngrams])
@pytest.mark.parametrize("harm", ["cut", "foreign", "pickled", "too large"])
def test_a_broken_file_is_as_good_as_none(kind: Any, harm: str) -> None:
    first = kind(model())
    for _ in range(80):
        first.observe(verdict([1, 2, 3], [7], likely([7, 8])))
    first.keep()
    place = kept.path(kind.name, "abc")
    arrays: dict[str, Any] = dict(np.load(place))
    if harm == "cut":
        place.write_bytes(place.read_bytes()[:-40])
    elif harm == "foreign":
        place.write_bytes(b"something else")
    elif harm == "pickled":
        name = "after" if kind is Recycle else "ids"
        np.savez(place, **{**arrays, name: np.array([{}], dtype=object)})
    else:
        name = "after" if kind is Recycle else "ids"
        np.savez(place, **{**arrays, name: arrays[name] + 1000})
    assert len(kind(model()).propose(spot([1, 2, 3]), 8)) == 0


def test_a_cache_folder_that_cannot_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TETHER_CACHE_DIR", str(tmp_path / "file"))
    kept.store("x", "y", {"a": np.zeros(3)})
    assert kept.load("x", "y", {"a": np.zeros(3)}) is None


def test_names_are_checked() -> None:
    assert registry.parse("off") == ()
    assert registry.parse("auto") == registry.AUTO
    assert registry.parse("recycle, lookup") == ("recycle", "lookup")
    with pytest.raises(UsageError, match="no drafter 'lokup'") as error:
        registry.parse("lokup")
    assert "lookup" in error.value.hint
    with pytest.raises(UsageError, match="twice"):
        registry.parse("lookup,lookup")


def test_every_drafter_of_auto_keeps_the_protocol(shipped: Model) -> None:
    for name in registry.AUTO:
        drafter: Drafter = registry.make(name, shipped)
        assert drafter.name == name
        assert len(drafter.propose(spot([3, 4, 5, 3, 4]), 0)) == 0


def test_a_quote_is_drafted_from_its_place_in_the_evidence(shipped: Model) -> None:
    text = "The pumps were inspected by Maria Okonkwo of the Harbour Trust in Ghent."
    constraint = Spec.from_evidence().over([text]).compile(shipped.vocabulary)
    matcher = constraint.start()
    for token in shipped.vocabulary.encode("The pumps were"):
        matcher.advance(token)
    request = Request("row", tuple(shipped.vocabulary.encode("Quote it.")), constraint)
    said = [*request.prompt, *shipped.vocabulary.encode("The pumps were")]
    draft = Lookup(shipped).propose(Spot("row", request, said, matcher=matcher), 12)
    assert text.startswith("The pumps were" + shipped.vocabulary.decode(best_path(draft)))
    assert len(best_path(draft)) > 3


@pytest.mark.parametrize("names", [("recycle", "ngrams"), registry.AUTO])
def test_the_shipped_model_says_the_same_with_drafts(
    shipped: Model, names: tuple[str, ...]
) -> None:
    prompts = [
        "Order 4411 for Anna Berg: 3 lamps, paid. She lives in Kiel.<|json|>name, city<|out|>",
        "Jo Lund of Kiel checked the pump.<|json|>name, city<|out|>",
    ]
    both: dict[str, Json] = {"name": {"type": "string"}, "city": {"type": "string"}}
    spec = Spec.from_schema({"type": "object", "properties": both, "required": list(both)})
    rows = [
        Request(
            f"{n}-{temperature}",
            tuple(shipped.vocabulary.encode(prompt)),
            spec.compile(shipped.vocabulary),
            Sampling(temperature=temperature, seed=5),
            max_tokens=60,
        )
        for n, prompt in enumerate(prompts)
        for temperature in (0.0, 0.9)
    ]
    wanted = {r.key: r.tokens for r in Loop(shipped, slots=2).run(rows)}
    drafted = [replace(row, drafters=names) for row in rows]
    for slots in (1, 4):
        found = {r.key: r.tokens for r in Loop(shipped, slots=slots).run(drafted)}
        assert found == wanted
