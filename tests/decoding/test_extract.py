"""The most probable quote: equal to brute force, never worse than greedy, within its bounds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import save_checkpoint
from torch import Tensor

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result
from tether.decoding.search.extract import WIDTH, Path, best
from tether.decoding.terms.parse import parse_all
from tether.errors import LimitReached
from tether.grammars import laws
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.verbatim import Evidence, verbatim_text
from tether.grammars.vocabulary import Vocabulary

QUOTE: dict[str, Any] = {"type": "string", "x-tether-verbatim": True}


@pytest.fixture(scope="module")
def vocab() -> Vocabulary:
    longer = ["ab", "ab1", "b1", " a", "1 ", "é", '",', '"}', '","n"', "\\n", '\\"', "你a"]
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *(text.encode() for text in longer)]
    return Vocabulary.from_tokens(tokens, eos_id=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama")
    return models.load(str(directory), dtype="float32")


class Table:
    """A model of random numbers: each path has a distribution of its own."""

    def __init__(self, seed: int, size: int, spread: float) -> None:
        self.seed, self.size, self.spread = seed, size, spread
        self.num_asked = 0

    def log_p(self, path: Path) -> Tensor:
        dice = np.random.default_rng([self.seed, len(path), *path])
        return torch.log_softmax(torch.from_numpy(dice.normal(size=self.size) * self.spread), dim=0)

    def __call__(self, paths: Sequence[Path]) -> Tensor:
        assert 0 < len(paths) <= WIDTH
        self.num_asked += len(paths)
        return torch.stack([self.log_p(path) for path in paths])

    def score(self, tokens: Path) -> float:
        return sum(float(self.log_p(tokens[:n])[token]) for n, token in enumerate(tokens))


def quotes_of(evidence: Evidence, constraint: Constraint, frame: str) -> list[str]:
    """What may stand in the frame, spelled."""
    texts = {
        text[i:j]
        for text in evidence.texts
        for i in range(len(text))
        for j in range(i + 1, len(text) + 1)
    }
    inner = (json.dumps(text, ensure_ascii=False)[1:-1] for text in sorted(texts))
    return [text for text in inner if constraint.validate(frame.replace("@", text)) is None]


def at_quote(constraint: Constraint, frame: str) -> Matcher:
    matcher = constraint.start()
    for token in constraint.vocabulary.encode(frame[: frame.index("@")]):
        matcher.advance(token)
    return matcher


SCHEMAS = [
    (QUOTE, '"@"', b'"'),
    ({**QUOTE, "maxLength": 3}, '"@"', b'"'),
    ({**QUOTE, "x-tether-verbatim": {"min_length": 3}}, '"@"', b'"'),
    ({**QUOTE, "pattern": "^[b1 ]+$"}, '"@"', b'"'),
    (
        {"properties": {"q": QUOTE, "n": {"const": 1}}, "required": ["q", "n"], "type": "object"},
        '{"q":"@","n":1}',
        b'","n"',
    ),
    ({"properties": {"q": QUOTE}, "required": ["q"], "type": "object"}, '{"q":"@"}', b'"}'),
]


@pytest.mark.parametrize(("schema", "frame", "closing"), SCHEMAS)
def test_it_is_the_best_of_all_quotes_on_random_tables(
    schema: dict[str, Any], frame: str, closing: bytes, vocab: Vocabulary
) -> None:
    end = vocab.tokens.index(closing)
    for seed in range(6):
        dice = random.Random(seed)
        evidence = Evidence(["ab1 ", "".join(dice.choices('ab1 é你"\n', k=7))])
        constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
        table = Table(seed, vocab.size, spread=1.0 + seed)
        scores = {
            text: table.score((*vocab.encode(text), end))
            for text in quotes_of(evidence, constraint, frame)
        }
        found = best(at_quote(constraint, frame), table)
        assert found.tokens[-1] == end
        text = vocab.decode(found.tokens[:-1])
        assert scores[text] == max(scores.values())
        assert math.isclose(found.log_p, scores[text])
        assert found.log_p >= scores[_greedy(constraint, frame, table)]


def _greedy(constraint: Constraint, frame: str, table: Table) -> str:
    """The quote of the best allowed token, one after another; the table's end is not forced."""
    matcher = at_quote(constraint, frame)
    path: Path = ()
    vocab = constraint.vocabulary
    while True:
        allowed = list(laws.allowed_tokens(matcher))
        token = allowed[int(table.log_p(path)[allowed].argmax())]
        text = vocab.decode_bytes((*path, token)).decode("utf-8", "replace")
        end = next((i for i, c in enumerate(text) if c == '"' and text[i - 1 : i] != "\\"), None)
        if end is not None:
            return text[:end]
        matcher.advance(token)
        path = (*path, token)


def test_whole_texts_end_with_the_end_token(vocab: Vocabulary) -> None:
    for seed in range(5):
        evidence = Evidence(["ab1 é", "b1"])
        constraint = verbatim_text(evidence, vocab, least=2)
        table = Table(seed, vocab.size, spread=3.0)
        texts = ["ab1 é"[i:j] for i in range(5) for j in range(i + 2, 6)]
        scores = {text: table.score((*vocab.encode(text), vocab.eos_id)) for text in texts}
        found = best(constraint.start(), table)
        assert found.tokens[-1] == vocab.eos_id
        assert vocab.decode(found.tokens) == max(texts, key=lambda text: scores[text])


def test_few_beginnings_are_read_where_the_model_is_sure(vocab: Vocabulary) -> None:
    words = " ".join(f"{n}ab{n * 7}" for n in range(2000))
    constraint = json_schema(QUOTE, vocab, bounds=Bounds(), evidence=Evidence([words]))
    goal = (*vocab.encode("1234ab8638 1"), vocab.tokens.index(b'"'))

    class Sure(Table):
        def log_p(self, path: Path) -> Tensor:
            logits = torch.zeros(self.size, dtype=torch.float64)
            logits[goal[len(path)] if goal[: len(path)] == path else 0] = 9.0
            return torch.log_softmax(logits, dim=0)

    table = Sure(0, vocab.size, 0.0)
    assert best(at_quote(constraint, '"@"'), table).tokens == goal
    assert table.num_asked < 20 * len(goal)


def test_the_search_gives_up_with_a_cure(vocab: Vocabulary) -> None:
    evidence = Evidence(["ab1 é" * 20])
    schema = {**QUOTE, "x-tether-verbatim": {"min_length": 60}}
    constraint = json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
    with pytest.raises(LimitReached, match="beginnings") as caught:
        best(at_quote(constraint, '"@"'), Table(0, vocab.size, 0.1), most=30)
    assert "--extract off" in caught.value.hint


def test_nothing_longer_than_the_room_is_found(vocab: Vocabulary) -> None:
    constraint = json_schema(
        {**QUOTE, "minLength": 3}, vocab, bounds=Bounds(), evidence=Evidence(["--é-"])
    )
    found = best(at_quote(constraint, '"@"'), Table(1, vocab.size, 3.0), room=4)
    assert len(found.tokens) <= 4
    with pytest.raises(LimitReached, match="No quote can be ended"):
        best(at_quote(constraint, '"@"'), Table(1, vocab.size, 3.0), room=2)


def ask(model: Model, key: str, schema: Any, evidence: Evidence, **fields: Any) -> Request:
    vocab = model.vocabulary
    constraint = (
        verbatim_text(evidence, vocab)
        if schema is None
        else json_schema(schema, vocab, bounds=Bounds(), evidence=evidence)
    )
    given = {"constraint": constraint, "max_tokens": 60, "extract": True, **fields}
    return Request(key, tuple(vocab.encode(key)), **given)


def run(model: Model, *requests: Request, slots: int = 1) -> dict[str, Result]:
    return {result.key: result for result in Loop(model, slots=slots).run(requests)}


@torch.inference_mode()
def model_score(model: Model, prompt: Sequence[int], said: Sequence[int]) -> float:
    """The sum of log-probabilities of tokens, each from a forward of its own."""
    total, network = 0.0, model.network
    for place, token in enumerate(said):
        context = [*prompt, *said[:place]]
        cache = SlotCache(network.num_layers, 1)
        window = cache.window(0, [len(context)], device=network.device, dtype=network.dtype)
        hidden = network.forward(torch.tensor([context]), cache, window)
        total += float(torch.log_softmax(network.head(hidden).double(), dim=1)[0, token])
    return total


def test_it_is_the_best_of_all_quotes_of_a_model(model: Model) -> None:
    vocab = model.vocabulary
    schema, frame, _ = SCHEMAS[5]
    for key, text in (("or in", "the é an"), ("false", 'in "or')):
        request = ask(model, key, schema, Evidence([text]))
        assert request.constraint is not None
        (result,) = run(model, request).values()
        assert result.finish == "stop"
        head = [*request.prompt, *vocab.encode('{"q":"')]
        (end,) = vocab.encode('"}')
        scores = {
            quote: model_score(model, head, [*vocab.encode(quote), end])
            for quote in quotes_of(Evidence([text]), request.constraint, frame)
        }
        said = json.dumps(json.loads(result.text)["q"], ensure_ascii=False)[1:-1]
        assert math.isclose(scores[said], max(scores.values()), abs_tol=1e-4)
        greedy = json.loads(
            run(model, ask(model, key, schema, Evidence([text]), extract=False))[key].text
        )
        plain = json.dumps(greedy["q"], ensure_ascii=False)[1:-1]
        assert scores[said] >= scores[plain] - 1e-4


def test_rows_do_not_depend_on_their_company(model: Model) -> None:
    evidence = Evidence(["the end and the start", "in or out é"])
    schemas: list[Any] = [
        {"type": "array", "items": QUOTE, "minItems": 2, "maxItems": 2, "uniqueItems": True},
        {"type": "object", "properties": {"q": QUOTE, "s": {"type": "string"}}, "required": ["q"]},
        None,
        {"anyOf": [QUOTE, {"type": "null"}]},
    ]
    requests = [
        ask(model, f"{key} {n}", schema, evidence)
        for n, schema in enumerate(schemas)
        for key in ("the", "or in false")
    ]
    alone = {key: result for r in requests for key, result in run(model, r).items()}
    together = run(model, *requests, slots=3)
    for request in requests:
        result = together[request.key]
        assert result.finish == "stop", result.message
        assert result.text == alone[request.key].text
        assert request.constraint is not None
        assert request.constraint.validate(result.text) is None


def test_a_budget_holds(model: Model) -> None:
    evidence = Evidence(["é" * 30])
    schema = {"type": "array", "items": QUOTE, "minItems": 2, "maxItems": 2}
    for most in (9, 12, 16):
        (result,) = run(model, ask(model, "the", schema, evidence, max_tokens=most)).values()
        assert result.finish == "stop", result.message
        assert result.stats.output_tokens <= most


def test_what_it_cannot_heed_is_refused(model: Model) -> None:
    request = ask(model, "the", QUOTE, Evidence(["a"]), terms=parse_all(["dola"]))
    (result,) = run(model, request).values()
    assert result.finish == "usage"
    assert "--contrast" in result.message
