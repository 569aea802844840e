"""Settings without effect are said, in one prompt and in rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Tether
from fake_engine import FakeEngine

CASES = [
    ({"system": "Be brief."}, "reads no instructions"),
    ({"system": "Be brief.", "raw_prompt": True}, "no place for instructions"),
    ({"evidence": ["A cat."], "raw_prompt": True}, "passages are not written into it"),
    ({"stop": ["x"], "schema": "name"}, "stop texts end free text only"),
    ({"passages": 9}, "nothing is searched, whatever passages is (index)"),
    ({"abstain_below": 0.1}, "nothing abstains, whatever abstain_below is (abstain)"),
]


@pytest.mark.parametrize(("settings", "sentence"), CASES)
def test_each_is_said_once_for_all_rows(
    tether: Tether, fake: FakeEngine, settings: dict[str, object], sentence: str
) -> None:
    fake.reads_fields = True
    rows = [{"prompt": '{"name":"a"}', **settings}] * 2
    ran = tether("batch", stdin="".join(json.dumps(row) + "\n" for row in rows))
    assert ran.err.count(sentence) == 1


def test_one_prompt_says_it_too(tether: Tether, fake: FakeEngine, home: Path) -> None:
    fake.reads_fields = True
    ran = tether("json", "p", "-s", "name", "--system", "Be brief.")
    assert "reads no instructions" in ran.err
    assert "warning" not in tether("json", "p", "-s", "name").err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--amateur", "small"), "no contrast listens to small (contrast)"),
        (("--expert", "big", "--contrast", "cad"), "no contrast listens to big (contrast)"),
        (("--draft-model", "small", "--draft", "lookup"), "nothing is drafted with small (draft)"),
        (("--amateur", "small", "--contrast", "cd", "--draft-model", "small"), ""),
    ],
)
def test_models_that_nothing_listens_to(
    tether: Tether, fake: FakeEngine, flags: tuple[str, ...], sentence: str
) -> None:
    ran = tether("text", "p", *flags)
    assert ran.err == (f"tether: warning: {sentence}.\n" if sentence else "")


def test_what_has_an_effect_is_not_said(tether: Tether, fake: FakeEngine) -> None:
    fake.reads_fields = False
    rows = [{"prompt": "p", "system": "Be brief.", "stop": ["x"], "evidence": ["A cat."]}]
    ran = tether("batch", stdin="".join(json.dumps(row) + "\n" for row in rows))
    assert ran.err == ""
