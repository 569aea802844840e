"""Evidence over stores with the shipped model: what it changes, and what it must not change."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import save_checkpoint
from step_inputs import make_evidence, make_inputs
from torch import Tensor

from tether.decoding import models
from tether.decoding.blend import blend, score
from tether.decoding.embed import HiddenStates
from tether.decoding.grounds.caad import Caad
from tether.decoding.grounds.grad import Grad, endorsements
from tether.decoding.grounds.ground import Given, Ground, Told
from tether.decoding.grounds.knn import Knn
from tether.decoding.grounds.makers import stores
from tether.decoding.grounds.memorise import train_memory
from tether.decoding.grounds.memory import Memory, Recall
from tether.decoding.grounds.memory_net import MemoryNetwork
from tether.decoding.grounds.reading import array, best, read_anew
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result
from tether.errors import EvidenceError, UnavailableError, UsageError
from tether.grammars import regex
from tether.grammars.constraint import Constraint
from tether.grounding.document import Document
from tether.grounding.evidence import INDEXED, Clues, Moment, Source
from tether.grounding.index import Index
from tether.grounding.index import build as building
from tether.grounding.index.dense_maker import DenseMaker
from tether.grounding.index.maker import Silent
from tether.grounding.neighbours import Neighbours

FACTS = (
    "The capital of Veltania is Orbrock. Kalmar Sen was born in Tarnovia.",
    "The manager of Brindle Works is Ada Mirren. Brindle Works makes cranes.",
)
ASKED = "The capital of Veltania is"
METHODS: tuple[Ground, ...] = (
    Grad(weight=20, order=6, gate=False, free=False), Knn(weight=0.7), Caad(fusion="mixture"),
)  # fmt: skip


@cache
def shipped() -> Model:
    return models.load(dtype="float32")


@cache
def name() -> Constraint:
    return regex(r" [A-Z][a-z]{2,9}\.", shipped().vocabulary)


def given(*texts: str, index: Index | None = None) -> Given:
    encode = shipped().vocabulary.encode
    return Given(shipped(), tuple(Told(t, tuple(encode(t))) for t in texts), index=index)


def bound(method: Ground, *texts: str) -> Source:
    source = method.bind(given(*texts))
    assert source is not None
    return source


def request(key: str, *sources: Source, asked: str = ASKED) -> Request:
    tokens = tuple(shipped().vocabulary.encode(asked))
    return Request(key, tokens, name(), sources=sources, max_tokens=24)


def run(*requests: Request, slots: int = 1) -> dict[str, Result]:
    return {result.key: result for result in Loop(shipped(), slots=slots).run(requests)}


def look(source: Source, moment: Moment) -> Clues:
    (clues,) = source.look([moment])
    assert clues is not None
    return clues


def moments(text: str) -> list[Moment]:
    """The moment before each token of a text but the first."""
    tokens = np.array(shipped().vocabulary.encode(text))
    (found,) = read_anew(shipped(), [tokens])
    log_p = shipped().network.head(found).float().log_softmax(1)
    context = tokens.tolist()
    return [
        Moment(context[: n + 1], 0, True, log_p=array(log_p[n]), hidden=array(found[n]))
        for n in range(len(tokens) - 1)
    ]


@pytest.mark.parametrize("method", METHODS[:2], ids=lambda method: method.name)
def test_a_planted_fact_changes_the_answer(method: Ground) -> None:
    results = run(request("plain"), request("told", bound(method, *FACTS)))
    assert "Orbrock" not in results["plain"].text
    assert results["told"].text == " Orbrock."
    support = results["told"].support
    assert support[0] > 3 * support.get(1, 0.0)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_random_model_says_what_it_was_told(tmp_path: Path, kind: str) -> None:
    save_checkpoint(tmp_path, kind)
    model = models.load(str(tmp_path), dtype="float32")
    encode = model.vocabulary.encode
    told = Told("the identifier is ok and 10 in the other", ())
    evidence = Given(model, (replace(told, tokens=tuple(encode(told.text))),))
    for method in (Grad(weight=20, gate=False), Knn(weight=0.9)):
        source = method.bind(evidence)
        assert source is not None
        asked = ("the identifier is", "an or", "ok")
        rows = [Request(a, tuple(encode(a)), sources=(source,), max_tokens=9) for a in asked]
        together = {r.key: r.tokens for r in Loop(model, slots=3).run(rows)}
        text = b"".join(model.vocabulary.tokens[t] for t in together[asked[0]])
        assert told.text.encode().startswith(asked[0].encode() + text)
        for row in rows:
            (alone,) = Loop(model, slots=1).run([row])
            assert alone.tokens == together[row.key]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_row_says_the_same_in_any_company(method: Ground) -> None:
    source = bound(method, *FACTS)
    askings = (ASKED, "The manager of Brindle Works is", "Kalmar Sen was born in", "He is called")
    rows = [request(asked, source, asked=asked) for asked in askings]
    rows += [request(f"plain {asked}", asked=asked) for asked in askings]
    together = run(*rows, slots=5)
    for row in rows:
        assert run(row)[row.key].tokens == together[row.key].tokens


@pytest.mark.parametrize(
    "method",
    [Grad(free=False), Grad(mode="count"), Knn(gate=1.0), Caad(least=1.01), Caad(least=2)],
    ids=["strangers", "count", "knn", "caad", "caad 2"],
)
def test_evidence_that_says_nothing_changes_nothing(method: Ground) -> None:
    assert method.bind(given("")) is None
    plain, told = run(request("same")), run(request("same", bound(method, "Zzqqxx")))
    assert told["same"].tokens == plain["same"].tokens


def test_closed_gates_leave_every_bit() -> None:
    logits = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    _, bare = make_inputs(logits)
    _, inputs = make_inputs(logits, evidence=make_evidence(2))
    log_p = torch.log_softmax(logits, dim=1)
    assert torch.equal(blend(log_p, inputs), blend(log_p, bare))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_masked_tokens_gain_no_mass_and_the_rest_is_whole(method: Ground) -> None:
    source = bound(method, *FACTS)
    draw = torch.Generator().manual_seed(1)
    for moment in moments(FACTS[0])[::4]:
        (clues,) = source.look([moment])
        if clues is None:
            continue
        assert moment.log_p is not None
        log_p = torch.from_numpy(moment.log_p)[None].double()
        allowed = torch.rand(log_p.shape, generator=draw) < 0.5
        p = _after(log_p, allowed, clues)
        assert not p[~allowed].any()
        assert float(p.sum()) == pytest.approx(1.0, abs=1e-6)
        whole = _after(log_p, torch.ones_like(allowed), clues)
        assert torch.allclose(p[allowed], whole[allowed] / whole[allowed].sum(), atol=1e-9)


def _after(log_p: Tensor, allowed: Tensor, clues: Clues) -> Tensor:
    """Probabilities after evidence and mask, by the definition of the step."""
    values = clues.values * (clues.share or 1.0)
    table: dict[int, float] = {}
    for token, value in zip(clues.ids.tolist(), values.tolist(), strict=True):
        table[token] = table.get(token, 0.0) + value
    evidence = make_evidence(1, **{"mixed" if clues.share else "added": table})
    _, inputs = make_inputs(log_p, allowed, evidence=evidence)
    return score(blend(log_p, inputs), log_p, allowed, inputs).softmax(1)


def test_a_mixture_costs_a_stranger_little_and_helps_its_own_text() -> None:
    source, bound_nats = bound(Knn(weight=0.25), *FACTS), -math.log(0.75)
    own = _gains(source, FACTS[0])
    assert own.mean() > 1.0
    strange = _gains(source, "Rain fell on 12 May 1990, for 3 hours, in the old harbour of Graz.")
    assert strange.min() >= -bound_nats - 1e-4


def _gains(source: Source, text: str) -> Any:
    """How many nats likelier every token of a text becomes."""
    tokens, gains = shipped().vocabulary.encode(text), []
    for moment, token in zip(moments(text), tokens[1:], strict=True):
        assert moment.log_p is not None
        log_p = torch.from_numpy(moment.log_p)[None].double()
        after = _after(log_p, torch.ones_like(log_p, dtype=torch.bool), look(source, moment))
        gains.append(float(after[0, token].log() - log_p[0, token]))
    return np.array(gains)


class Shifted:
    """A network whose logits are all higher by a constant."""

    def __init__(self, model: Model) -> None:
        self._network = model.network

    def __getattr__(self, key: str) -> Any:
        return getattr(self._network, key)

    def head(self, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        return self._network.head(hidden, ids) + 7


def test_shifts_of_the_logits() -> None:
    shifted: Any = replace(shipped(), network=Shifted(shipped()))
    passages = [np.array(shipped().vocabulary.encode(text)) for text in FACTS]
    for mode, same in [("prob", True), ("logit", False), ("count", True)]:
        pairs = zip(
            endorsements(shipped(), passages, mode), endorsements(shifted, passages, mode),
            strict=True,
        )  # fmt: skip
        assert all(np.allclose(a, b, rtol=1e-4, atol=1e-9) for a, b in pairs) == same
    (found,) = read_anew(shipped(), passages[:1])
    for ours, theirs in zip(best(shipped(), found, 16), best(shifted, found, 16), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_passages_longer_than_the_model_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from tether.decoding import states

    monkeypatch.setattr(states, "_PIECE", 7)
    passages = [np.array(shipped().vocabulary.encode(text)) for text in ("", *FACTS)]
    for tokens, found in zip(passages, read_anew(shipped(), passages), strict=True):
        assert len(found) == len(tokens)
        if len(tokens):
            alone = read_anew(shipped(), [tokens[7:14]])[0]
            assert torch.allclose(found[7:14], alone, atol=1e-4)


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(UsageError, match="no share"):
        Caad(weight=1.5, fusion="convex").bind(given(*FACTS))
    assert Caad(weight=1.5).bind(given(*FACTS)) is not None


STORES = ["transitions", "states", "references"]


def made(path: Path, model: Model | None = None, names: list[str] | None = None) -> Index:
    """An index whose passages are the facts."""
    documents = [Document(f"d{n}", text, "here") for n, text in enumerate(FACTS)]
    makers = stores(STORES if names is None else names, lambda: model or shipped())
    building.build(
        path, documents, makers, tokenizer=shipped().directory / "tokenizer.json", overwrite=True
    )
    return Index.open(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    path = tmp_path_factory.mktemp("stores") / "kb"
    made(path)
    train_memory(path, shipped(), Silent(), epochs=12)
    return Index.open(path)


def test_an_index_says_what_its_passages_say(index: Index) -> None:
    told = given(*FACTS, index=index)
    for method in METHODS:
        over: Any = replace(method, over="index")  # type: ignore[call-arg]
        here, there = method.bind(told), over.bind(told)
        assert here is not None
        assert over.bind(given("other", index=index)) is there, "rows share what they share"
        for moment in moments(FACTS[1])[::5]:
            (one,), (other,) = here.look([moment]), there.look([moment])
            assert (one is None) == (other is None)
            if one is None or other is None:
                continue
            size = shipped().vocabulary.size
            sums = [np.bincount(c.ids, c.values, size) for c in (one, other)]
            np.testing.assert_allclose(sums[1], sums[0], atol=0.02)
            if one.origins is not None and other.origins is not None:
                assert set(other.origins - INDEXED) == set(one.origins)


def test_parts_that_are_missing_stale_or_strangers_are_refused_with_the_cure(
    tmp_path: Path, index: Index
) -> None:
    knn = Knn(over="index")
    with pytest.raises(EvidenceError, match="needs an index"):
        knn.bind(given(*FACTS))
    save_checkpoint(tmp_path, "llama")
    stranger = replace(given(*FACTS, index=index), model=models.load(str(tmp_path)))
    for method in (knn, Grad(over="index"), Caad(over="index"), Memory()):
        with pytest.raises(EvidenceError, match="made with the model builtin") as refused:
            method.bind(stranger)
        assert "tether index" in refused.value.hint
    with pytest.raises(EvidenceError, match="weighed by 'prob'"):
        Grad(over="index", mode="logit").bind(given(index=index))
    counted = made(tmp_path / "kb", names=["transitions:count"])
    for method in (knn, Memory()):
        with pytest.raises(EvidenceError, match="no part") as refused:
            method.bind(given(index=counted))
        assert str(counted.path) in refused.value.hint
    with pytest.raises(EvidenceError) as refused:
        Caad(over="index", keys="embedder").bind(given(index=counted))
    assert "tether index store --store references:embedder" in refused.value.hint
    other = replace(shipped(), fingerprint="another with the same tokens")
    same_tokens = replace(given(index=counted), model=other)
    assert Grad(over="index", mode="count").bind(same_tokens) is not None
    building.delete(tmp_path / "kb", ["d1"], [])
    with pytest.raises(EvidenceError, match="other passages"):
        Grad(over="index", mode="count").bind(given(index=Index.open(tmp_path / "kb")))


@pytest.mark.parametrize("name", STORES)
def test_a_cut_part_is_refused(tmp_path: Path, name: str) -> None:
    held = made(tmp_path / "kb", names=[name]).manifest.part(name)
    path = max(held.folder.iterdir(), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnavailableError, match="damaged") as refused:
        Index.open(tmp_path / "kb")
    assert "build it again" in refused.value.hint


def test_stores_follow_what_is_added_and_refuse_another_model(tmp_path: Path) -> None:
    path = tmp_path / "kb"
    before = made(path, names=["states"]).manifest.part("states").facts["entries"]
    more = [Document("d2", "Ossip Tarn lives in Brevik.", "here")]
    other = replace(shipped(), fingerprint="x", name="other")
    with pytest.raises(EvidenceError, match="builtin, not other"):
        building.add(path, more, stores(["states"], lambda: other))
    building.add(path, more, stores(["states"], shipped))
    assert Index.open(path).manifest.part("states").facts["entries"] > before
    source = Knn(over="index").bind(given(index=Index.open(path)))
    clues = look(source, moments("Ossip Tarn lives in Brevik.")[3])  # type: ignore[arg-type]
    assert clues.origins is not None
    assert clues.origins[0] == INDEXED + 2


def test_contexts_may_be_compared_by_the_embedder_of_the_index(tmp_path: Path) -> None:
    path, shallow = tmp_path / "kb", HiddenStates(shipped(), 1)
    documents = [Document(f"d{n}", text, "here") for n, text in enumerate(FACTS)]
    tokenizer = shipped().directory / "tokenizer.json"
    by_embedder = stores(["references:embedder"], shipped)
    with pytest.raises(EvidenceError, match="no vectors"):
        building.build(path, documents, by_embedder, tokenizer=tokenizer)
    dense = DenseMaker(lambda: shallow)
    building.build(path, documents, [dense, *by_embedder], tokenizer=tokenizer, overwrite=True)
    told = given(*FACTS, index=Index.open(path))
    for over in ("passages", "index"):
        # Any eight tokens that are the same are the same context, whatever the model thinks.
        source = Caad(keys="embedder", least=0.999, over=over).bind(told)
        assert source is not None
        assert "hidden" not in source.needs
        context = shipped().vocabulary.encode("Nobody knows. " + ASKED)
        clues = look(source, Moment(context, 0, True))
        tokens = np.array(shipped().vocabulary.encode(FACTS[0]))
        (found,) = read_anew(shipped(), [tokens])
        said = shipped().network.head(found[len(shipped().vocabulary.encode(ASKED)) - 1][None])
        assert clues.ids[clues.values.argmax()] == int(said.argmax())
    with pytest.raises(EvidenceError, match="compared by 'embedder'"):
        Caad(over="index").bind(told)
    with pytest.raises(EvidenceError, match="needs an index with vectors"):
        Caad(keys="embedder").bind(given(*FACTS))


def test_an_untrained_memory_is_the_model_itself() -> None:
    network = MemoryNetwork.new(shipped().network, 160, layers=2, seed=0)
    (found,) = read_anew(shipped(), [np.array(shipped().vocabulary.encode(FACTS[0]))])
    assert torch.allclose(network(found), shipped().network.head(found), atol=1e-3)


def test_a_memory_learns_what_the_neighbours_say(index: Index, tmp_path: Path) -> None:
    told = given(index=index)
    memory, knn = Memory(top=2000).bind(told), Knn(over="index").bind(told)
    assert isinstance(memory, Recall)
    assert isinstance(knn, Neighbours)
    text = moments(FACTS[0])
    for batched, moment in zip(memory.look(text), text, strict=True):
        clues = look(memory, moment)
        assert batched is not None
        np.testing.assert_allclose(batched.values, clues.values, atol=1e-5)
        assert clues.values.sum() == pytest.approx(1.0, abs=0.05)
        assert len(look(replace(memory, top=5), moment).ids) == 5
    gains = _gains(memory, FACTS[0])
    assert gains.mean() > 1.0
    assert gains.min() >= math.log(0.75) - 1e-4
    assert memory.network.num_layers == 2


def test_training_a_memory_repeats_itself_and_lowers_the_loss(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        made(tmp_path / name, names=["states"])
        losses = train_memory(tmp_path / name, shipped(), Silent(), epochs=3, layers=1, seed=4)
        assert losses[2] < losses[1] < losses[0]
        digests.append(Index.open(tmp_path / name).manifest.part("memory").digest)
    assert digests[0] == digests[1]
    made(tmp_path / "three", names=[])
    with pytest.raises(EvidenceError, match="states"):
        train_memory(tmp_path / "three", shipped(), Silent())
