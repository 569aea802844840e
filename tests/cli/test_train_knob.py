"""`tether index train-knob`: what it refuses, and that nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

from command_line import Tether

ROW = '{"prompt": "Who?", "context": "A", "prior": "B"}\n'


def test_a_file_that_is_there_stays(tether: Tether, tmp_path: Path) -> None:
    rows, knob = tmp_path / "rows.jsonl", tmp_path / "knob"
    rows.write_text(ROW)
    knob.write_text("mine")
    done = tether("index", "train-knob", str(rows), "-o", str(knob))
    assert (done.code, done.out) == (2, "")
    assert "--overwrite" in done.err
    assert knob.read_text() == "mine"


def test_what_cannot_be_learnt_from_is_named(tether: Tether, tmp_path: Path) -> None:
    rows, knob = tmp_path / "rows.jsonl", tmp_path / "knob"
    for content, layer, code, said in (
        (ROW + "{}\n", "1", 3, "row 2 has no `prompt`"),
        (ROW, "1", 3, "too few to learn from"),
        (ROW, "99", 2, "There is no layer 99"),
    ):
        rows.write_text(content)
        done = tether("index", "train-knob", str(rows), "-o", str(knob), "--layer", layer)
        assert (done.code, done.out) == (code, "")
        assert said in done.err
        assert not knob.exists()


def test_a_knob_that_is_not_there_ends_the_command(tether: Tether, tmp_path: Path) -> None:
    done = tether("text", "Who?", "--ground", f"knob,file={tmp_path / 'absent'}")
    assert (done.code, done.out) == (3, "")
    assert "train-knob" in done.err
