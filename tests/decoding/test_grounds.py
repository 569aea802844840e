"""Evidence in the loop: places of passages, laws that hold for every method, support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from tether.decoding.blend import blend
from tether.decoding.grounds.gather import Inside, gathered
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.grounds.stretches import stretches
from tether.decoding.grounds.told import given, told
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.plan import Evidence, Inputs
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.row import Row
from tether.errors import UsageError
from tether.grammars import json_schema, regex
from tether.grounding.evidence import Clues, Moment

QUESTION = "Who founded Garcia Holdings?"
PASSAGES = ("Blue is a colour. Heblock Draijaithei founded Garcia Holdings.", "Żółw 🐢 sings.")


def ask(model: Model, *grounds: str, question: str = QUESTION, **fields: Any) -> Request:
    passages, shown = fields.pop("passages", PASSAGES), fields.pop("fields", "")
    prompt = Prompt(question, passages=passages, fields=shown)
    ids = encode(model, prompt)
    sources = bind_all(parse_all(grounds), given(model, ids, prompt))
    return Request(question, ids, sources=sources, **{"max_tokens": 32, **fields})


def run(model: Model, *requests: Request, slots: int = 1) -> dict[str, Result]:
    return {result.key: result for result in Loop(model, slots=slots).run(requests)}


def text(model: Model, request: Request) -> str:
    return run(model, request)[request.key].text


class TestTold:
    def test_passages_are_found_in_the_prompt(self, model: Model) -> None:
        ids = encode(model, Prompt(QUESTION, passages=PASSAGES))
        for passage, found in zip(PASSAGES, told(model, ids, PASSAGES), strict=True):
            assert ids[found.start : found.start + len(found.tokens)] == found.tokens
            assert model.vocabulary.decode(found.tokens) == passage

    def test_what_the_prompt_lacks_is_encoded_alone(self, model: Model) -> None:
        (found,) = told(model, encode(model, Prompt(QUESTION)), ("Something else.",))
        assert found.start == -1
        assert model.vocabulary.decode(found.tokens) == "Something else."

    def test_stretches_are_the_relevant_sentences(self, model: Model) -> None:
        prompt = Prompt(QUESTION, passages=PASSAGES)
        (found,) = stretches(given(model, encode(model, prompt), prompt))
        assert "Heblock" in model.vocabulary.decode(found.tokens)
        assert "Blue" not in model.vocabulary.decode(found.tokens)
        begun = [model.vocabulary.decode(found.tokens[n:]) for n in np.flatnonzero(found.begins)]
        assert [text.split()[0] for text in begun] == ["Heblock", "Draijaithei"]  # not asked for

    def test_without_a_question_everything_is_relevant(self, model: Model) -> None:
        prompt = Prompt("Ada lives in Graz. Bo in Ulm.", fields="name, city")
        (found,) = stretches(given(model, encode(model, prompt), prompt))
        assert model.vocabulary.decode(found.tokens) == prompt.text


class TestLaws:
    @pytest.mark.parametrize("ground", ["copy", "copy,by=ngram", "copy:0.5,trust=0"])
    def test_irrelevant_evidence_changes_nothing(self, model: Model, ground: str) -> None:
        other = ("Nobody here founded a company.",)
        bare, grounded = ask(model, passages=other), ask(model, ground, passages=other)
        assert not grounded.sources
        assert text(model, grounded) == text(model, bare)

    def test_weight_zero_binds_nothing(self, model: Model) -> None:
        assert not ask(model, "copy:0").sources

    @pytest.mark.parametrize("temperature", [0.0, 1.0])
    def test_company_changes_nothing(self, model: Model, temperature: float) -> None:
        sampling = Sampling(temperature=temperature, seed=3)
        rows = [
            ask(model, "copy", sampling=sampling),
            ask(model, question="Who wrote The Silent Garden?", sampling=sampling),
            ask(model, "copy,by=ngram", question="Garcia Holdings: founder?", sampling=sampling),
        ]
        together = run(model, *rows, slots=3)
        for row in rows:
            assert together[row.key].text == text(model, row)
            assert together[row.key].support == run(model, row)[row.key].support

    def test_the_constraint_holds(self, model: Model) -> None:
        mask = regex("[a-z]{3,8}", model.vocabulary)
        assert mask.validate(text(model, ask(model, "copy", constraint=mask))) is None

    def test_a_string_in_json_is_copied_and_valid(self, model: Model) -> None:
        schema = {"type": "object", "properties": {"founder": {"type": "string"}}}
        mask = json_schema({**schema, "required": ["founder"]}, model.vocabulary)
        plain = text(model, ask(model, fields="founder", constraint=mask))
        assert plain != '{"founder":"Heblock Draijaithei"}'
        said = text(model, ask(model, "copy", fields="founder", constraint=mask))
        assert said == '{"founder":"Heblock Draijaithei"}'

    def test_unknown_names_say_what_there_is(self) -> None:
        with pytest.raises(UsageError, match="no grounding 'cpoy'") as caught:
            parse_all(["cpoy"])
        assert "copy" in caught.value.hint


def test_a_stale_memory_gives_way(model: Model) -> None:
    """The model remembers another founder; the passage is right."""
    stale = ("Heblock Draijaithei founded Garcia Holdings.",)
    remembered = text(model, ask(model, passages=()))
    assert remembered != "Heblock Draijaithei"
    result = run(model, ask(model, "copy", passages=stale))[QUESTION]
    assert result.text == "Heblock Draijaithei"
    assert result.support == {0: pytest.approx(len(result.tokens), abs=1.5)}


@dataclass(frozen=True, eq=False)
class Fixed:
    """Says the same at every step."""

    clues: Clues | None
    needs: frozenset[Any] = frozenset()
    heads: tuple[tuple[int, int], ...] = ()

    def look(self, moments: Any) -> list[Clues | None]:
        assert all(isinstance(moment, Moment) for moment in moments)
        return [self.clues] * len(moments)


def _never(row: Row) -> Any:
    raise AssertionError(row)


class TestGathered:
    def gather(self, model: Model, *sources: Fixed) -> Any:
        row = Row(Request("a", (5, 6), sources=sources), model.vocabulary, model.end_ids)
        masks = torch.full((1, model.vocabulary.num_words), -1, dtype=torch.int32)
        size = model.vocabulary.size
        inside = Inside(torch.zeros(1, 4), None, {}, _never)
        return gathered([row], torch.zeros(1, size), masks, inside)

    def test_clues_become_tensors(self, model: Model) -> None:
        added = Fixed(Clues(np.array([7, 9]), np.array([1.5, -2.0])))
        mixed = Fixed(Clues(np.array([3]), np.array([1.0]), share=0.25, doubt=0.1))
        found = self.gather(model, added, mixed)
        assert found.evidence.added_ids.tolist() == [[7, 9]]
        assert found.evidence.added.tolist() == [[1.5, -2.0]]
        assert found.evidence.mixed_ids.tolist() == [[3]]
        assert found.evidence.mixed.tolist() == [[0.25]]
        assert found.doubt.tolist() == [pytest.approx(0.1)]

    def test_shares_never_take_all(self, model: Model) -> None:
        full = Fixed(Clues(np.array([3]), np.array([1.0]), share=0.9))
        other = Fixed(Clues(np.array([4]), np.array([1.0]), share=0.9))
        found = self.gather(model, full, other)
        assert float(found.evidence.mixed.sum()) == pytest.approx(0.999)

    def test_who_knows_nothing_changes_nothing(self, model: Model) -> None:
        assert self.gather(model, Fixed(None)) is None

    def test_mixtures_bound_the_loss(self, model: Model) -> None:
        """No token becomes less likely by more than -log(1 - share), whatever the source says."""
        found = self.gather(model, Fixed(Clues(np.array([3]), np.array([1.0]), share=0.4)))
        logits = torch.randn(1, model.vocabulary.size, generator=torch.manual_seed(0))
        plain = torch.log_softmax(logits, dim=1)
        blended = blend(plain, evidence_inputs(found.evidence, logits))
        assert float((plain - blended).max()) <= -np.log(1 - 0.4) + 1e-5
        assert float(blended.exp().sum()) == pytest.approx(1, abs=1e-5)


def evidence_inputs(evidence: Evidence, logits: torch.Tensor) -> Inputs:
    """Inputs of a step with this evidence alone."""
    zero = torch.zeros(1)
    return Inputs(logits, None, torch.zeros(1, dtype=torch.int64), zero, zero.bool(), zero.long(),
                  zero + 1, zero, zero + 1, zero + 1, evidence=evidence)  # fmt: skip
