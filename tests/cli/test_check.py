"""`tether check`, `paths`, `man`, and what the program says about itself."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Tether

from tether.cli import app
from tether.cli.describe import EXIT_CODES, commands, errors
from tether.cli.options import MODEL, OUTPUT, PROMPT, SAMPLING
from tether.cli.output_model import CheckReport


def test_short_syntax_shows_the_schema_it_makes(tether: Tether) -> None:
    ran = tether("check", "name, age int 0..130")
    assert ran.code == 0
    assert ran.out.startswith("name, age int 0..130: ok (schema)\n")
    schema = json.loads(ran.out.split("JSON Schema:\n")[1])
    assert schema["properties"]["age"]["maximum"] == 130


def test_json_report(tether: Tether, home: Path) -> None:
    (home / "s.json").write_text('{"type": "object", "propertis": {}}')
    ran = tether("check", "--json", "s.json", "name itn")
    assert ran.code == 3
    report = CheckReport.model_validate_json(ran.out)
    first, second = report.checked
    assert (first.kind, second.ok) == ("schema", False)
    assert any("propertis" in finding.message for finding in first.findings)
    assert "^" in second.findings[0].excerpt


def test_nothing_is_fetched_unless_asked(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def open_url(url: str, seconds: float) -> io.BytesIO:
        fetched.append(url)
        return io.BytesIO(b'{"type": "string", "minLenght": 1}')

    monkeypatch.setattr("tether.grammars.json_schema.remote._open", open_url)
    schema = '{"items": {"$ref": "https://a.example/b.json"}}'
    refused = tether("check", schema)
    assert refused.code == 3
    assert "error at /items: The $ref at /items is remote" in refused.out
    assert "--allow-remote" in refused.out
    assert fetched == []
    allowed = tether("check", "--allow-remote", schema)
    assert (allowed.code, fetched) == (0, ["https://a.example/b.json"])
    assert "Did you mean 'minLength'?" in allowed.out
    assert tether("check", "--allow-remote", schema.replace("https", "http")).code == 3


def test_an_ordinary_check_is_quick(home: Path) -> None:
    properties = {f"key{i}": {"type": "string", "maxLength": 40} for i in range(40)}
    (home / "s.json").write_text(json.dumps({"type": "object", "properties": properties}))
    code = (
        "import sys, time; from tether.cli.entry import main; sys.argv = ['tether', *sys.argv[1:]]"
        "\ntry: main()\nexcept SystemExit: pass\nprint(time.process_time())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "check", "s.json"],
        cwd=home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.startswith("s.json: ok")
    assert float(ran.stdout.splitlines()[-1]) < 0.6  # 0.2 s on a quiet machine


def test_kinds_by_name(tether: Tether, home: Path) -> None:
    (home / "good.lark").write_text('start: "a" | "b"\n')
    (home / "bad.lark").write_text('start: "a" missing\n')
    (home / "g.gbnf").write_text('root ::= "a" | "b"\n')
    (home / "tether.toml").write_text("seed = 1\n")
    (home / "r.txt").write_text("[0-9]+(\n")
    good = tether("check", "good.lark", "g.gbnf", "tether.toml")
    assert good.code == 0, good.out
    assert [line.rpartition(" ")[2] for line in good.out.splitlines()] == [
        "(grammar)", "(grammar)", "(profile)",
    ]  # fmt: skip
    bad = tether("check", "bad.lark")
    assert bad.code == 3
    assert "missing" in bad.out
    assert tether("check", "--kind", "regex", "r.txt").code == 3
    assert tether("check", "--kind", "regex", "[0-9]+").code == 0
    unknown = tether("check", "@r.txt")
    assert unknown.code == 2
    assert "--kind" in unknown.err


def test_a_profile_with_an_integer_of_thousands_of_digits(tether: Tether, home: Path) -> None:
    (home / "tether.toml").write_text(f"seed = {'9' * 5000}\n")
    ran = tether("check", "tether.toml")
    assert ran.code == 3
    assert "thousands of digits" in ran.out


def test_paths(tether: Tether, home: Path) -> None:
    found = json.loads(tether("paths", "--json").out)
    assert found["project_config"] is None
    assert found["user_config"] == str(home.parent / "config" / "tether.toml")
    (home / "tether.toml").write_text("")
    assert f"{home}/tether.toml" in tether("paths").out


def test_manual_names_everything(tether: Tether) -> None:
    page = tether("man").out.replace("\\-", "-")
    for entries in app.PANELS.values():
        for name in entries:
            assert f".SS tether {name}" in page
    for code in EXIT_CODES:
        assert f".B {code}\n" in page
    assert not [line for line in page.splitlines() if line.startswith("'")]


def test_table_of_commands_agrees_with_the_commands() -> None:
    described = {command.path: command for command in commands()}
    for entries in app.PANELS.values():
        for name, summary in entries.items():
            assert described[f"tether {name}"].summary.startswith(summary.rstrip("."))


def test_every_command_has_examples_that_parse() -> None:
    for command in commands():
        if command.path not in ("tether profile", "tether index", "tether graph"):
            assert command.examples, command.path
        for example in command.examples:
            assert example.startswith("tether "), example


def test_every_exit_code_of_an_error_is_explained() -> None:
    assert {error.exit_code for error in errors()} <= set(EXIT_CODES)


@pytest.mark.parametrize("name", ["json", "text", "batch"])
def test_settings_are_flags(name: str) -> None:
    (command,) = (c for c in commands() if c.path == f"tether {name}")
    names = " ".join(option.names for option in command.options)
    missing = [
        key for key in (*MODEL, *SAMPLING, *PROMPT) if f"--{key.replace('_', '-')}" not in names
    ]
    assert missing == []
    if name == "json":
        assert [key for key in OUTPUT if f"--{key}" not in names] == []


def test_help_on_a_terminal_is_rich(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_wants_rich", lambda: True)
    for args in (["--help"], ["json", "--help"], ["profile", "--help"]):
        ran = tether(*args)
        assert ran.code == 0
        assert "╭" in ran.out
    assert "Examples" in tether("json", "--help").out


def test_no_arguments_show_the_help(tether: Tether) -> None:
    assert tether().out == tether("--help").out
