"""`tether json` and `tether text`: where the prompt comes from, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Tether
from fake_engine import FakeEngine


def say(text: str, **script: object) -> str:
    return json.dumps({"say": text, **script})


PERSON = '{"name":"Ä","age":1.50,"tags":["x","y"]}'


@pytest.mark.parametrize("args", [("@folder",), ("@no.txt",), ("hi", "--system", "@folder")])
def test_texts_that_cannot_be_read(
    home: Path, fake: FakeEngine, tether: Tether, args: tuple[str, ...]
) -> None:
    (home / "folder").mkdir()
    ran = tether("text", *args)
    assert (ran.code, ran.out) == (2, "")
    message, cure = ran.err.splitlines()
    assert " cannot be read: " in message
    assert cure.startswith(("Name a file", "Check the name"))


def test_stdout_is_the_payload_and_one_newline(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", say(PERSON), "--schema", "name, age num, tags [str]")
    assert (ran.code, ran.out, ran.err) == (0, PERSON + "\n", "")
    assert fake.prompts[0].fields == "name, age num, tags [str]"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--field", "name"], '"Ä"'),
        (["--field", "name", "-r"], "Ä"),
        (["--field", "tags.1", "--raw"], "y"),
        (["--field", "age"], "1.50"),
        (["--field", "tags", "-o", "jsonl"], '"x"\n"y"'),
        (["-o", "csv"], 'name,age,tags\nÄ,1.50,"[""x"",""y""]"'),
        (["-o", "tsv"], 'name\tage\ttags\nÄ\t1.50\t"[""x"",""y""]"'),
        (["--pretty", "--field", "tags"], '[\n  "x",\n  "y"\n]'),
        (["--pretty"], json.dumps(json.loads(PERSON), indent=2, ensure_ascii=False)
         .replace("1.5", "1.50")),
    ],
)  # fmt: skip
def test_rendering(tether: Tether, fake: FakeEngine, options: list[str], expected: str) -> None:
    ran = tether("json", say(PERSON), "-s", "name, age num, tags [str]", *options)
    assert (ran.code, ran.out) == (0, expected + "\n"), ran.err


def test_field_that_is_not_there(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", say(PERSON), "-s", "name", "--field", "nmae")
    assert (ran.code, ran.out) == (2, "")
    assert "no field 'nmae'" in ran.err
    assert "Did you mean `name`" in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ["--pretty", "-o", "csv"],
        ["--raw", "-o", "tsv"],
        ["--stream", "text", "--field", "a"],
        ["--envelope", "--pretty"],
    ],
)
def test_contradicting_outputs_are_refused_before_anything_runs(
    tether: Tether, fake: FakeEngine, options: list[str]
) -> None:
    ran = tether("json", say(PERSON), "-s", "name", *options)
    assert (ran.code, ran.out) == (2, "")
    assert fake.seen == []


def test_prompt_from_stdin(tether: Tether, fake: FakeEngine) -> None:
    assert tether("text", stdin="häh\r\n").out == "häh\r\n"
    assert tether("text", "-", stdin="again").out == "again\n"


def test_prompt_from_file(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "p.txt").write_bytes("\ufeffgrüß".encode())
    assert tether("text", "@p.txt").out == "grüß\n"
    assert tether("text", "@@p.txt").out == "@p.txt\n"


def test_pipe_beside_a_prompt_is_a_passage(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "more.txt").write_text("more")
    ran = tether("text", "who?", "--evidence", "@more.txt", "-e", "less", stdin="the document")
    assert ran.code == 0
    assert fake.prompts[0].text == "who?"
    assert fake.prompts[0].passages == ("more", "less", "the document")


def test_no_prompt_on_a_terminal(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text")
    assert (ran.code, ran.out) == (2, "")
    assert "There is no prompt." in ran.err


def test_input_that_is_not_utf8(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", stdin=b"caf\xe9 au lait")
    assert (ran.code, ran.out) == (2, "")
    assert "byte 0xe9 at offset 3" in ran.err
    assert "iconv" in ran.err


def test_missing_file(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", "@nowhere.txt")
    assert ran.code == 2
    assert "nowhere.txt cannot be read: No such file or directory." in ran.err


def test_json_needs_a_schema(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", "x")
    assert (ran.code, ran.out) == (2, "")
    assert "needs a schema" in ran.err


def test_text_refuses_a_schema_from_a_profile(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "tether.toml").write_text('[profiles.p]\nschema = "name"\n')
    ran = tether("text", "x", "-p", "p")
    assert ran.code == 2
    assert "tether.toml:2 [profiles.p]" in ran.err
    assert tether("text", "x", "-p", "p", "--regex", "x").code == 0


def test_refused_schema(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", "x", "--schema", "name, age itn")
    assert (ran.code, ran.out) == (3, "")
    assert "^" in ran.err


def test_keywords_that_nothing_knows_are_told(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "s.json").write_text('{"propertis": {}, "format": "datetime", "items": {"colour": 1}}')
    ran = tether("json", say("{}"), "--schema", "s.json")
    assert (ran.code, ran.out) == (0, "{}\n")
    assert [line.partition(" is ")[0].partition(". ")[0] for line in ran.err.splitlines()] == [
        "tether: warning at /propertis: 'propertis'",
        "tether: warning at /items/colour: 'colour'",
    ]
    assert "Did you mean 'properties'?" in ran.err
    assert tether("json", say("{}"), "--schema", '{"items": {"x-note": 1}}').err == ""


def test_many_keywords_that_nothing_knows_are_folded(
    tether: Tether, fake: FakeEngine, home: Path
) -> None:
    (home / "s.json").write_text(json.dumps({f"colour{n}": 1 for n in range(50)}))
    ran = tether("json", say("{}"), "--schema", "s.json")
    lines = ran.err.splitlines()
    assert (ran.code, len(lines)) == (0, 4)
    assert lines[2].startswith("tether: warning at /colour2: ")
    assert lines[3] == "tether: warning: 47 more of these; `tether check s.json` shows all."


@pytest.mark.parametrize(
    ("keyword", "cure"),
    [('"x-tether-max": 2', "Did you mean"), ('"x-tether-max-tokens": 0', "Correct")],
)
def test_own_keywords_that_are_wrong_are_refused_not_ignored(
    tether: Tether, fake: FakeEngine, keyword: str, cure: str
) -> None:
    schema = f'{{"typ": 1, "items": {{{keyword}}}}}'
    for command in (("json", say("{}")), ("batch",)):
        ran = tether(*command, "--schema", schema)
        assert (ran.code, ran.out, fake.seen) == (3, "", [])
        assert "refused at /items/x-tether-max" in ran.err
        assert cure in ran.err
    assert tether("check", schema).code == 3


def test_integers_of_thousands_of_digits_come_through(tether: Tether, fake: FakeEngine) -> None:
    huge = "9" * 5000
    ran = tether("json", say(f'{{"n":{huge}}}'), "--schema", "n int")
    assert (ran.code, ran.out) == (0, f'{{"n":{huge}}}\n')
    assert tether("json", say(f'{{"n":{huge}}}'), "--schema", "n int", "--field", "n").out == (
        f"{huge}\n"
    )


def test_limit_prints_nothing(tether: Tether, fake: FakeEngine) -> None:
    prompt = say('{"name":"A', finish="limit", message="The limit came first.")
    ran = tether("json", prompt, "-s", "name", "--max-tokens", "10")
    assert (ran.code, ran.out) == (5, "")
    assert "The limit came first." in ran.err
    assert "--max-tokens" in ran.err


def test_limit_with_partial(tether: Tether, fake: FakeEngine) -> None:
    prompt = say('{"name":"A', finish="limit")
    ran = tether("json", prompt, "-s", "name", "--partial")
    assert (ran.code, ran.out) == (5, '{"name":"A\n')


def test_dead_end(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", say("", finish="dead_end", message="No token."), "--regex", "a")
    assert (ran.code, ran.out) == (4, "")


def test_output_that_its_constraint_refuses_is_withheld(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", say('"INVALID"'), "-s", "{}")
    assert (ran.code, ran.out) == (4, "")
    assert "withheld" in ran.err


def test_thought_goes_to_stderr(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", say("4", thought="2 and 2"), "--think")
    assert (ran.out, ran.err) == ("4\n", "2 and 2\n")
    assert fake.seen[0].think == "</think>"


def test_think_takes_its_own_mark(tether: Tether, fake: FakeEngine) -> None:
    tether("text", "--think=END", "--", "--think=x")
    assert fake.seen[0].think == "END"
    assert fake.prompts[0].text == "--think=x"


def test_envelope(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", say(PERSON), "-s", "name", "--envelope", "--seed", "7")
    (found,) = ran.rows
    assert found["tether"] == 1
    assert found["output"] == json.loads(PERSON)
    assert (found["finish"], found["seed"], found["model"]["name"]) == ("stop", 7, "fake")
    assert '"age":1.50' in ran.out


def test_stream_text(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", say("abc", thought="hm"), "--stream", "text")
    assert (ran.code, ran.out) == (0, "abc\n")
    assert "hm" in ran.err


def test_stream_text_keeps_what_a_limit_left(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", say("ab", finish="limit"), "--stream", "text")
    assert (ran.code, ran.out) == (5, "ab\n")


def test_stream_events(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", say("ab", thought="h"), "--stream", "events")
    kinds = [row["event"] for row in ran.rows]
    assert kinds == ["thought", "text", "text", "end"]
    assert ran.rows[-1]["error"] is None


def test_stats_go_to_stderr(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("text", "abc", "--stats")
    assert ran.out == "abc\n"
    assert "3 output tokens" in ran.err


def test_template_and_variables(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "t.txt").write_text("{{Say}} {what} about {prompt}")
    ran = tether("text", "cats", "--template", "@t.txt", "--var", "what=all")
    assert ran.out == "{Say} all about cats\n"
    refused = tether("text", "cats", "--template", "no fields", "--var", "what=all")
    assert refused.code == 2
    missing = tether("text", "cats", "--template", "{prompt} {what}")
    assert "`what`" in missing.err


def test_sampling_flags_reach_the_request(tether: Tether, fake: FakeEngine) -> None:
    tether(
        "text", "x", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.9", "--min-p", "0.1",
        "--typical-p", "0.8",
        "--repetition-penalty", "1.2", "--logit-bias", "17=-2.5", "--logit-bias", "3=1",
        "--seed", "9", "--max-tokens", "4", "--stop", "a", "--stop", "b", "--key", "row-7",
    )  # fmt: skip
    (request,) = fake.seen
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.5, 3, 0.9)
    assert (sampling.min_p, sampling.repetition_penalty, sampling.seed) == (0.1, 1.2, 9)
    assert sampling.typical_p == 0.8
    assert dict(sampling.logit_bias) == {17: -2.5, 3: 1.0}
    assert (request.max_tokens, request.stop, request.key) == (4, ("a", "b"), "row-7")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-tokens", "0"], "--max-tokens"),
        (["--top-p", "1.5"], "--top-p"),
        (["--logit-bias", "x=1"], "--logit-bias"),
        (["--logit-bias", "100=1"], "token 100"),
        (["--temperature", "nan"], "--temperature"),
        (["--var", "x"], "--var"),
        (["--regex", "a", "--choice", "b"], "both say what may be said"),
        (["--stram", "text"], "--stram"),
    ],
)
def test_wrong_flags(tether: Tether, fake: FakeEngine, options: list[str], message: str) -> None:
    ran = tether("text", "x", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_raw_of_half_a_character(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("json", say('{"a":"\\ud800"}'), "-s", "a", "--field", "a", "-r")
    assert (ran.code, ran.out) == (2, "")
    whole = tether("json", say('{"a":"\\ud800"}'), "-s", "a", "--field", "a")
    assert whole.out == '"\\ud800"\n'
