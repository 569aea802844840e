"""Stores of evidence on the command line: made, kept up, used, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Ran, Tether

FACT = "The capital of Veltania is Orbrock."
ASK = ("text", "The capital of Veltania is", "--raw-prompt", "--no-heal", "--index", "kb")
SAY = ("--regex", " [A-Z][a-z]{2,9}\\.", "--passages", "1", "--dtype", "float32")


@pytest.fixture
def corpus(home: Path) -> Path:
    (home / "corpus").mkdir()
    (home / "corpus" / "a.txt").write_text(FACT)
    (home / "corpus" / "b.txt").write_text("Kalmar Sen was born in Tarnovia.")
    return home


def parts(tether: Tether) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(tether("index", "info", "kb", "--json").out)[
        "parts"
    ]
    return found


def good(ran: Ran) -> None:
    assert (ran.code, ran.out) == (0, ""), ran.err


def test_stores_are_made_used_and_kept_up(tether: Tether, corpus: Path) -> None:
    good(tether("index", "build", "corpus", "-o", "kb", "--store", "states"))
    ran = tether(*ASK, *SAY, "--ground", "knn:0.7,over=index")
    assert (ran.code, ran.out) == (0, " Orbrock.\n"), ran.err
    good(tether("index", "store", "kb", "--store", "transitions:count"))
    assert parts(tether)["transitions"]["mode"] == "count"
    (corpus / "corpus" / "c.txt").write_text("Ossip Tarn lives in Brevik.")
    good(tether("index", "add", "kb", "corpus/c.txt"))
    held = parts(tether)
    assert [held[name]["stale"] for name in ("states", "transitions")] == [False, False]
    good(tether("index", "train-memory", "kb", "--epochs", "2"))
    good(tether("index", "delete", "kb", "corpus/c.txt"))
    held = parts(tether)
    assert [held[name]["stale"] for name in ("states", "transitions", "memory")] == [True] * 3
    ran = tether(*ASK, *SAY, "--ground", "memory")
    assert (ran.code, ran.out) == (3, "")
    assert "tether index train-memory kb" in ran.err


def test_what_is_lacking_is_named_with_its_cure(tether: Tether, corpus: Path) -> None:
    good(tether("index", "build", "corpus", "-o", "kb"))
    ran = tether(*ASK, *SAY, "--ground", "caad,over=index")
    assert (ran.code, ran.out) == (3, "")
    assert "tether index store --store references kb" in ran.err
    assert tether("index", "train-memory", "kb").code == 3
    assert tether("index", "store", "kb").code == 2
    unknown = tether("index", "store", "kb", "--store", "words")
    assert unknown.code == 2
    assert "There are states, references" in unknown.err
    assert list(parts(tether)) == ["lexical", "passages"]
