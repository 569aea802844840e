"""Contrast on the command line: what reaches the loop, what is refused, what a batch remembers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkpoints import save_checkpoint
from command_line import Tether
from fake_engine import FakeEngine

QUESTION = "Isn't it Linz?"
PASSAGE = "Arden lies in Graz."


def test_terms_and_prompts_reach_the_loop(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", QUESTION, "-e", PASSAGE, "--contrast", "cad:0.7", "--contrast", "icd:1")
    assert ran.code == 0, ran.err
    (request,) = fake.seen
    assert [term.name for term in request.terms] == ["cad", "icd"]
    bare, wrong = (fake.prompts[request.prompts[variant][0]] for variant in ("bare", "wrong"))
    main = fake.prompts[request.prompt[0]]
    assert (main.text, main.passages) == (QUESTION, (PASSAGE,))
    assert (bare.text, bare.passages) == (QUESTION, ())
    assert (wrong.text, wrong.passages) == (QUESTION, (PASSAGE,))
    assert "wrong" in wrong.instruction


def test_lqcd_answers_the_neutral_wording(tether: Tether, fake: FakeEngine) -> None:
    assert tether("text", QUESTION, "-e", PASSAGE, "--contrast", "lqcd").code == 0
    (request,) = fake.seen
    assert fake.prompts[request.prompt[0]].text == "Is it Linz?"
    assert fake.prompts[request.prompts["given"][0]].text == QUESTION


def test_lqcd_leaves_documents_alone(tether: Tether, fake: FakeEngine) -> None:
    mail = "Is Ada well? I think she lives in Linz."
    tether("json", mail, "-s", "city", "--contrast", "lqcd")
    tether("json", "Isn't it Linz?", "-e", mail, "-s", "city", "--contrast", "lqcd")
    document, question = (fake.prompts[request.prompt[0]].text for request in fake.seen)
    assert document == mail
    assert question == "Is it Linz?"


def test_settings_of_every_kind(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "tether.toml").write_text('[profiles.p]\ncontrast = ["cad:0.5", "dola"]\n')
    tether("text", "x", "-p", "p")
    monkeypatch.setenv("TETHER_CONTRAST", "cad:1,adaptive=yes icd")
    tether("text", "x")
    (home / "rows.jsonl").write_text('{"prompt": "x", "contrast": ["lqcd"]}\n{"prompt": "y"}\n')
    tether("batch", "rows.jsonl")
    named = [[term.name for term in request.terms] for request in fake.seen]
    assert named == [["cad", "dola"], ["cad", "icd"], ["lqcd"], ["cad", "icd"]]


@pytest.mark.parametrize(
    ("flags", "cure"),
    [
        (["--contrast", "cda"], "Did you mean"),
        (["--contrast", "cad:x"], "a number from 0"),
        (["--contrast", "cad", "--contrast", "cad"], "Keep one"),
        (["--contrast", "ead", "--contrast", "fsgen"], "Keep one"),
        (["--contrast", "cad", "--contrast", "lead"], "Take out lead"),
        (["--contrast", "cad", "--raw-prompt"], "without --raw-prompt"),
    ],
)
def test_mistakes_are_refused_with_their_cure(
    tether: Tether, fake: FakeEngine, flags: list[str], cure: str
) -> None:
    ran = tether("text", "x", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert cure in ran.err


def test_evidence_alone_has_nothing_to_contrast(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", "-e", PASSAGE, "-s", "city", "--contrast", "cad")
    assert ran.code == 2
    assert "nothing to contrast" in ran.err


def test_a_profile_is_checked(tether: Tether, home: Path) -> None:
    (home / "tether.toml").write_text('[profiles.p]\ncontrast = ["cad:0.5", "dolla"]\n')
    ran = tether("profile", "check")
    assert ran.code == 3
    assert "dolla" in ran.out + ran.err
    assert "dola" in ran.out + ran.err


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model and another with its tokenizer."""
    found = []
    for seed in range(2):
        directory = tmp_path_factory.mktemp("model")
        save_checkpoint(directory, "llama", seed=seed, max_position_embeddings=400)
        found.append(str(directory))
    return found[0], found[1]


def test_other_models(tether: Tether, checkpoints: tuple[str, str], home: Path) -> None:
    model, other = checkpoints
    alone = tether("text", "hi", "-m", model, "--contrast", "cd", "--max-tokens", "8")
    assert alone.code == 2
    assert "--amateur" in alone.err
    (home / "tether.toml").write_text(f'expert = "{other}"\n')
    flags = ("-m", model, "--regex", "[a-z]{6}", "--stats")
    for terms in (["cd:0.7", "--amateur", other], ["fsgen,at=1"]):
        ran = tether("text", "hi", *flags, "--contrast", *terms)
        assert ran.code == 0, ran.err
        assert "of other models" in ran.err
    assert "tokens by the expert" in ran.err


def test_a_layer_that_is_not_there(tether: Tether, checkpoints: tuple[str, str]) -> None:
    ran = tether("text", "hi", "-m", checkpoints[0], "--contrast", "dola,layers=1/99")
    assert (ran.code, ran.out) == (2, "")
    assert "no layer 99 below the last of" in ran.err
    assert "Name a layer from 0 to" in ran.err


def test_a_batch_remembers_its_models(
    tether: Tether, checkpoints: tuple[str, str], home: Path
) -> None:
    model, other = checkpoints
    rows = [{"prompt": "a"}, {"prompt": "the", "contrast": ["cd:0.9"], "id": "x"}]
    (home / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ("-m", model, "--regex", "[a-z]{6}", "--temperature", "1", "--contrast", "cad")
    files = ("batch", "in.jsonl", "-o", "out.jsonl")
    ran = tether(*files, *common, "--amateur", other)
    assert ran.code == 0, ran.err
    said = json.loads((home / "out.jsonl").read_text().splitlines()[1])["output"]
    again = tether(
        "text", "the", *common[:-2], "--contrast", "cd:0.9", "--amateur", other, "--key", "x"
    )
    assert again.out == f"{said}\n"
    (home / "out.jsonl").unlink()
    refused = tether(*files, *common, "--resume")
    assert refused.code == 3
    assert "amateur" in refused.err
