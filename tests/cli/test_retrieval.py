"""`--index` and its company: what is found is what is shown, and nothing is said without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import Tether
from fake_engine import FakeEngine
from index_cases import TOKENIZER, documents

import tether as package
from tether.cli.evidence import Evidence
from tether.cli.structuring import structured
from tether.errors import Abstained, UnavailableError
from tether.grounding.index import build as building
from tether.grounding.index.lexical import LexicalMaker
from tether.grounding.passages import Passage

TEXTS = {
    "mill.txt": "Arden Mills was founded by Lena Vogel.",
    "bakery.txt": "Kestrel Bakery was founded by Umar Blount.",
    "birth.txt": "Lena Vogel was born in Turin.",
}
QUESTION = "Who founded Arden Mills?"


def build(path: Path, texts: Mapping[str, str], *, overwrite: bool = False) -> None:
    """An index with one passage a document."""
    building.build(
        path, documents(texts), [LexicalMaker()], tokenizer=TOKENIZER, overwrite=overwrite
    )


@pytest.fixture
def kb(home: Path) -> str:
    build(home / "kb", TEXTS)
    return "kb"


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_hits_stand_after_the_users_own_passages(tether: Tether, fake: FakeEngine, kb: str) -> None:
    ran = tether("text", QUESTION, "--index", kb, "-e", "My own.", "--passages", "2")
    assert ran.code == 0, ran.err
    shown = fake.prompts[fake.seen[0].prompt[0]].passages
    assert shown == ("My own.", TEXTS["mill.txt"], TEXTS["bakery.txt"])


def test_a_template_is_filled_before_the_search(tether: Tether, fake: FakeEngine, kb: str) -> None:
    flags = ("--index", kb, "--passages", "1", "--template", "Where was {who} born?")
    assert tether("text", "--var", "who=Lena Vogel", *flags).code == 0
    assert fake.prompts[fake.seen[0].prompt[0]].passages == (TEXTS["birth.txt"],)


def test_every_row_of_a_batch_searches(tether: Tether, fake: FakeEngine, kb: str) -> None:
    second: dict[str, Any] = {"prompt": "Where was Lena Vogel born?", "passages": 2}
    rows = [{"prompt": QUESTION}, second]
    ran = tether("batch", "--index", kb, "--passages", "1", stdin=jsonl(*rows))
    assert ran.code == 0, ran.err
    shown = [fake.prompts[request.prompt[0]].passages for request in fake.seen]
    assert shown == [(TEXTS["mill.txt"],), (TEXTS["birth.txt"], TEXTS["mill.txt"])]


def test_a_resumed_batch_has_the_same_index(tether: Tether, fake: FakeEngine, home: Path) -> None:
    build(home / "kb", TEXTS)
    (home / "in.jsonl").write_text(
        jsonl({"prompt": QUESTION}, {"prompt": '{"interrupt": 1, "say": ""}'})
    )
    flags = ("batch", "in.jsonl", "-o", "out.jsonl", "--index", "kb", "--slots", "1")
    assert tether(*flags).code == 130
    build(home / "kb", {**TEXTS, "new.txt": "Something new."}, overwrite=True)
    again = tether(*flags, "--resume")
    assert again.code == 3
    assert "index" in again.err


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (("--index", "nowhere"), 7, "tether index build"),
        (("--index", "kb", "--retrieve", "dense"), 7, "dense"),
        (("--research", "2"), 2, "--index"),
        (("--order", "any"), 2, "rank"),
        (("--index", "kb", "--abstain", "exit", "--stream", "text"), 2, "--stream"),
    ],
)
def test_what_cannot_be_searched(
    tether: Tether, fake: FakeEngine, kb: str, flags: tuple[str, ...], code: int, word: str
) -> None:
    ran = tether("text", QUESTION, *flags)
    assert (ran.code, ran.out) == (code, "")
    assert word in ran.err


def test_a_damaged_index_says_its_cure(
    tether: Tether, fake: FakeEngine, kb: str, home: Path
) -> None:
    part = next(path for path in (home / kb).rglob("*") if path.is_file() and path.suffix == ".npy")
    part.write_bytes(part.read_bytes()[:-1])
    ran = tether("text", QUESTION, "--index", kb)
    assert (ran.code, ran.out) == (7, "")
    assert "Build the index again" in ran.err or "build" in ran.err


def test_no_question_is_an_error(tether: Tether, fake: FakeEngine, kb: str) -> None:
    ran = tether("text", " ", "--index", kb, "-e", "x")
    assert (ran.code, ran.out) == (2, "")
    assert "question" in ran.err


def test_vectors_are_searched_with_their_own_embedder(tether: Tether, home: Path) -> None:
    (home / "notes").mkdir()
    for name, text in TEXTS.items():
        (home / "notes" / name).write_text(text)
    assert tether("index", "build", "notes", "-o", "kb", "--embedder", "hidden").code == 0
    for mode in ("dense", "hybrid"):
        ran = tether("text", QUESTION, "--index", "kb", "--retrieve", mode, "--envelope")
        assert ran.code == 0, ran.err
        assert len(json.loads(ran.out)["passages"]) == 3  # vectors rank all that there is


@pytest.mark.parametrize("order", ["rank", "reverse"])
def test_passages_stand_in_the_order(tether: Tether, fake: FakeEngine, kb: str, order: str) -> None:
    flags = ("--index", kb, "-e", "My own.", "--order", order)
    assert tether("text", QUESTION, *flags).code == 0
    shown = fake.prompts[fake.seen[-1].prompt[0]].passages
    ranks = ("My own.", TEXTS["mill.txt"], TEXTS["bakery.txt"])
    assert shown == (ranks if order == "rank" else ranks[::-1])


def test_a_chain_follows_the_hops(tether: Tether, fake: FakeEngine, kb: str) -> None:
    asked = "Where was the founder of Arden Mills born?"
    tether("text", asked, "--index", kb, "--order", "chain")
    shown = fake.prompts[fake.seen[-1].prompt[0]].passages
    assert shown.index(TEXTS["mill.txt"]) < shown.index(TEXTS["birth.txt"])


def test_what_has_no_room_is_left_out_and_said(tether: Tether, fake: FakeEngine, kb: str) -> None:
    def encode(prompt: Any) -> tuple[int, ...]:
        fake.prompts[0] = prompt
        return (0, *map(ord, "".join((*prompt.passages, prompt.text))))

    fake.encode = encode  # type: ignore[method-assign]
    fake.max_positions = len(QUESTION) + len(TEXTS["mill.txt"]) + 20
    ran = tether("text", QUESTION, "--index", kb, "--max-tokens", "9", "--envelope", "--stats")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [use["doc"] for use in found["passages"]] == ["mill.txt"]
    assert found["left_out"] == 1
    assert "left out for want of room: 1" in ran.err


def test_as_many_as_fit_are_kept() -> None:
    found = [Passage(n, f"d{n}", 0, 1, "x") for n in range(7)]
    whole = Evidence.of(["own"], found)
    for room in range(9):
        kept = whole.fitted(lambda some, room=room: len(some.texts) <= room)  # type: ignore[misc]
        assert len(kept.texts) == max(1, min(8, room))
        assert kept.left_out == 8 - len(kept.texts)
        assert kept.passages == whole.passages[: len(kept.texts)]


def test_the_envelope_attributes(tether: Tether, home: Path) -> None:
    build(home / "kb", TEXTS)
    ran = tether("text", QUESTION, "--index", "kb", "-p", "grounded", "--envelope", "--stats")
    found = json.loads(ran.out)
    assert found["output"] == "Lena Vogel"
    best = max(found["passages"], key=lambda use: use["support"])
    assert (best["doc"], best["start"], best["end"]) == ("mill.txt", 0, len(TEXTS["mill.txt"]))
    assert best["support"] > 3
    assert "rests on mill.txt:0-" in ran.err
    plain = json.loads(tether("text", QUESTION, "--index", "kb", "--envelope").out)
    assert {use["support"] for use in plain["passages"]} == {None}


def test_quotes_of_the_index_carry_their_place(tether: Tether, home: Path) -> None:
    before = "It rained all day. " * 30
    building.build(
        home / "kb", documents({"long.txt": before + TEXTS["mill.txt"]}), [LexicalMaker()],
        tokenizer=TOKENIZER, size=16, overlap=0,
    )  # fmt: skip
    place = {"doc": {"type": "string"}, "start": {"type": "integer"}, "end": {"type": "integer"}}
    schema = {
        "type": "object",
        "properties": {"quote": {"type": "string"}, **place},
        "required": ["quote", *place],
        "x-tether-verbatim": True,
    }
    ran = tether("json", QUESTION, "--index", "kb", "--passages", "1", "-s", json.dumps(schema))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["doc"] == "long.txt"
    whole = before + TEXTS["mill.txt"]
    assert whole[found["start"] : found["end"]] == found["quote"]
    assert found["start"] >= len(before)


def test_abstaining_says_nothing(tether: Tether, home: Path) -> None:
    build(home / "kb", TEXTS)
    unknown = "Who founded Zorn Logistics?"
    ran = tether("text", unknown, "--index", "kb", "--abstain", "exit")
    assert (ran.code, ran.out) == (8, "")
    known = tether("text", QUESTION, "--index", "kb", "--abstain", "exit", "--stats")
    assert (known.code, known.out) == (0, "Lena Vogel\n")
    assert "carries the answer: 0." in known.err
    all_refused = tether(
        "text", QUESTION, "--index", "kb", "--abstain", "exit", "--abstain-below", "1"
    )
    assert (all_refused.code, all_refused.out) == (8, "")


def test_null_where_the_schema_allows_it(tether: Tether, home: Path) -> None:
    build(home / "kb", TEXTS)
    founder = {"type": "object", "properties": {"founder": {"type": "string"}}}
    nullable = json.dumps({"anyOf": [{"type": "null"}, founder]})
    flags = ("Who founded Zorn Logistics?", "--index", "kb", "--abstain", "null")
    ran = tether("json", *flags, "-s", nullable, "--envelope")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["output"], found["finish"]) == (None, "abstained")
    refused = tether("json", *flags, "-s", json.dumps(founder))
    assert (refused.code, refused.out) == (8, "")
    text = tether("text", *flags)
    assert (text.code, text.out) == (8, "")


def test_rows_that_abstain_fail_nothing(tether: Tether, home: Path) -> None:
    build(home / "kb", TEXTS)
    rows = [{"prompt": QUESTION}, {"prompt": "Who founded Zorn Logistics?", "id": "z"}]
    (home / "in.jsonl").write_text(jsonl(*rows))
    flags = ("-o", "out.jsonl", "--errors", "bad.jsonl", "--index", "kb", "--abstain", "exit")
    ran = tether("batch", "in.jsonl", *flags, "--stats")
    assert ran.code == 0, ran.err
    assert "1 of 2 rows abstained" in ran.err
    assert "0 failed, 1 abstained" in ran.err
    (bad,) = (json.loads(line) for line in (home / "bad.jsonl").read_text().splitlines())
    assert (bad["id"], bad["reason"]) == ("z", "abstained")
    assert "abstained" in tether("batch", "in.jsonl", *flags, "--resume").err


def test_python_takes_the_same(home: Path) -> None:
    build(home / "kb", TEXTS)
    given: dict[str, Any] = {"index": home / "kb", "ground": ["copy"]}
    assert package.generate(QUESTION, **given) == "Lena Vogel"
    assert package.generate(QUESTION, evidence=["Arden Mills was founded by Omar."], **given)
    with pytest.raises(Abstained):
        package.generate("Who founded Zorn Logistics?", abstain="exit", **given)
    with pytest.raises(UnavailableError):
        package.generate(QUESTION, index=home / "nowhere")


def test_the_model_judges_and_searches_again(
    tether: Tether, fake: FakeEngine, kb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says_yes = -1.0
    aim = {"goal": "the founder of Arden Mills", "query": "Arden"}
    answers = iter([aim, {"query": "Umar Blount"}, {"query": "Lena Vogel"}])
    monkeypatch.setattr("tether.cli.judging.answer", lambda *given: next(answers))
    flags = ("--index", kb, "--research", "3", "--passages", "1", "--envelope", "--stats")
    ran = tether("text", QUESTION, *flags)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [step["query"] for step in found["searches"]] == ["Arden", "Umar Blount", "Lena Vogel"]
    assert {step["goal"] for step in found["searches"]} == {"the founder of Arden Mills"}
    assert [step["odds"] for step in found["searches"]] == [-1.0, None, None]
    docs = [use["doc"] for use in found["passages"]]
    assert docs[:2] == ["mill.txt", "bakery.txt"]
    assert ran.err.count("not met") == 3


def test_research_with_the_shipped_model(tether: Tether, kb: str) -> None:
    ran = tether("text", QUESTION, "--index", kb, "--research", "2", "--envelope")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert 1 <= len(found["searches"]) <= 2
    assert "mill.txt" in [use["doc"] for use in found["passages"]]


@pytest.mark.parametrize("way", [{"order": "peak"}, {"research": 2}, {"abstain": "exit"}])
def test_company_changes_nothing(home: Path, way: dict[str, Any]) -> None:
    build(home / "kb", TEXTS)
    asked = [QUESTION, "Where was Lena Vogel born?", "Who founded Kestrel Bakery?"]
    rows = [{"id": n, "prompt": text} for n, text in enumerate(asked)]
    given: dict[str, Any] = {"index": "kb", "max_tokens": 24, "temperature": 0.7, **way}
    together = [row["output"] for row in package.batch(rows, slots=3, **given)]
    assert together == [package.generate(text, key=str(n), **given) for n, text in enumerate(asked)]


def test_a_judge_reads_what_fits(fake: FakeEngine) -> None:
    from tether.cli.side import prompt_of, spec_of

    def encode(prompt: Any) -> tuple[int, ...]:
        return tuple(map(ord, "".join((*prompt.passages, prompt.text))))

    fake.encode = encode  # type: ignore[method-assign]
    fake.max_positions = 40
    shown = ["a" * 12, "b" * 12, "c" * 12]
    asked = prompt_of(fake, "four", shown, spec_of({"type": "boolean"}))
    assert asked.passages == tuple(shown[:2])
    assert prompt_of(fake, "x" * 60, shown, spec_of(True)).passages == ()


def test_structure_keeps_every_sentence(tether: Tether, home: Path) -> None:
    from tether.cli import engine
    from tether.cli.config.settings import resolve

    loaded = engine.load(resolve({}).settings)
    text = 'Arden Mills makes "oat" flour. It sits in Graz.\nIt sits in Graz.'
    shown = structured(loaded, text)
    points = [line[2:] for line in shown.splitlines() if line.startswith("- ")]
    assert sorted(points) == sorted(
        ['Arden Mills makes "oat" flour.', "It sits in Graz.", "It sits in Graz."]
    )
    (kept,) = (home.parent / "cache" / "structures").iterdir()
    assert structured(loaded, text) == shown
    kept.write_text(kept.read_text().replace("oat", "rye"))
    assert structured(loaded, text) == shown  # what was tampered with is made again
    ran = tether("text", "Where does Arden Mills sit?", "-e", text, "--structure")
    assert ran.code == 0, ran.err


def test_peak_takes_the_most_attended_order(home: Path) -> None:
    build(home / "kb", TEXTS)
    flags: dict[str, Any] = {"index": home / "kb", "order": "peak", "passages": 3, "max_tokens": 8}
    assert package.generate(QUESTION, **flags) == "Lena Vogel"


def test_peak_asks_the_heads(fake: FakeEngine, kb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Staring:
        heads = ()
        needs = frozenset[Any]()

        def __init__(self, passages: tuple[str, ...]) -> None:
            self.passages = passages

        def look(self, moments: Any) -> list[None]:
            return [None] * len(moments)

        def attention(self) -> list[float]:
            wanted = (TEXTS["birth.txt"], TEXTS["mill.txt"], TEXTS["bakery.txt"])
            return [float(self.passages == wanted)] * len(self.passages)

    monkeypatch.setattr(fake, "gaze", lambda ids, prompt: Staring(prompt.passages))
    package.generate("Who founded Arden Mills? Lena", index=kb, order="peak")
    shown = fake.prompts[fake.seen[-1].prompt[0]].passages
    assert shown == (TEXTS["birth.txt"], TEXTS["mill.txt"], TEXTS["bakery.txt"])
