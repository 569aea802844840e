"""What a server does for a command: the same bytes, messages and exit codes as without it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import Ran, Tether
from serving import Server

from tether.cli.serve import client

TEXT = "Lena Vogel, born 14 June 1990, lives in Graz."
PERSON = ("json", TEXT, "--schema", "name, born date, city")
CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "json": (PERSON, ""),
    "pretty": ((*PERSON, "--pretty"), ""),
    "piped in": (("json", "--schema", "name, city"), TEXT),
    "piped in beside": (("json", "Who is it?", "--schema", "name"), TEXT),
    "from a file": (("json", "@mail.txt", "--schema", "person.json", "-o", "csv"), ""),
    "streamed": ((*PERSON, "--stream", "events"), ""),
    "sampled": ((*PERSON, "--temperature", "1.5", "--seed", "7", "--key", "r3"), ""),
    "text": (("text", "hello", "--regex", "[a-z]{4,9}", "--stream", "text"), ""),
    "choices": (("text", TEXT, "--choice", "yes", "--choice", "no"), ""),
    "raw": (("text", "in the an", "--raw-prompt", "--max-tokens", "5", "--partial"), ""),
    "grounded": ((*PERSON, "--ground", "copy", "--abstain", "exit"), ""),
    "query": (("sparql", "Which cities are there?", "--guarantee", "syntax", "--explain"), ""),
    "profile": ((*PERSON, "-p", "loose"), ""),
    "limit": (("text", "x", "--max-tokens", "2", "--regex", "[a-z]{30}"), ""),
    "no schema": (("json", TEXT), ""),
    "no such file": (("json", "@nothing.txt", "--schema", "name"), ""),
    "refused": (("json", TEXT, "--schema", '{"type": "strin"}'), ""),
    "contradiction": (("json", TEXT, "--schema", '{"enum": [1], "type": "string"}'), ""),
    "no such flag": (("json", TEXT, "--schem", "name"), ""),
    "no such contrast": (("json", TEXT, "--schema", "name", "--contrast", "cd"), ""),
    "warned": (("json", TEXT, "--schema", '{"type": "object", "colour": 1}'), ""),
    "half a character": (("json", "\udcff", "--schema", "name"), ""),
}


@pytest.fixture(scope="module")
def work(server: Server) -> Path:
    folder = server.home / "work"
    folder.mkdir()
    (folder / "mail.txt").write_text(TEXT)
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (folder / "person.json").write_text(json.dumps(schema))
    (folder / "tether.toml").write_text("[profiles.loose]\nformat = 'csv'\nfield = 'name'\n")
    return folder


_TIMES = re.compile(r'"(first_token_s|total_s|forwards|drafted_tokens|accepted_tokens)":[0-9.e-]+')
"""What depends on the time of day, and on what drafters have seen before."""


@pytest.fixture
def alone(
    tether: Tether, server: Server, work: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run a command line in this process, where the server's clients stand."""
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(server.home))
    for name in ("TETHER_CONFIG_DIR", "TETHER_CACHE_DIR"):
        monkeypatch.delenv(name)
    return tether


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_without_a_server(
    server: Server, work: Path, alone: Callable[..., Ran], name: str
) -> None:
    args, stdin = CASES[name]
    served = server.tether(*args, stdin=stdin, cwd=work)
    assert "must not import torch" not in served.err, served.err
    expected = alone(*args, stdin=stdin)
    assert _TIMES.sub("", served.out) == _TIMES.sub("", expected.out)
    assert (served.code, served.err) == (expected.code, expected.err)


@pytest.fixture
def as_client(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Sequence[str], Mapping[str, str]], int | None]:
    """What the server makes of a command line that this process hands over."""
    folder = server.home / "alone"
    folder.mkdir(exist_ok=True)
    (folder / "tether.toml").write_text("[profiles.alone]\nserver = 'never'\n")

    def hand_over(args: Sequence[str], environment: Mapping[str, str]) -> int | None:
        monkeypatch.chdir(folder)
        for name in set(os.environ) - server.environment().keys():
            monkeypatch.delenv(name)
        for name, value in {**server.environment(), **environment}.items():
            monkeypatch.setenv(name, value)
        return client.served(list(args))

    return hand_over


@pytest.mark.parametrize(
    ("args", "environment"),
    [
        ((*PERSON, "--server", "never"), {}),
        ((*PERSON, "--server=never"), {}),
        (PERSON, {"TETHER_SERVER": "never"}),
        ((*PERSON, "-p", "alone"), {}),
        ((*PERSON, "--dtype", "float64"), {}),
        (PERSON, {"TETHER_CACHE_DIR": "elsewhere"}),
        (PERSON, {"TETHER_RUNTIME_DIR": "/nowhere"}),
        (("json", TEXT, "--type", "collections:OrderedDict"), {}),
    ],
)
def test_what_is_left_to_the_client(
    as_client: Callable[[Sequence[str], Mapping[str, str]], int | None],
    capfd: pytest.CaptureFixture[str],
    args: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    assert as_client(PERSON, {}) == 0
    assert json.loads(capfd.readouterr().out)["name"] == "Lena Vogel"
    assert as_client(args, environment) is None
    assert capfd.readouterr() == ("", "")


def test_many_at_once_do_not_mix(server: Server) -> None:
    def ask(number: int) -> str:
        folder = server.home / f"at-{number}"
        folder.mkdir(exist_ok=True)
        (folder / "prompt.txt").write_text(f"Row {number} of Mara Lindt")
        regex = f"{number} [a-z]{{{number + 2}}}"
        args = ("text", "@prompt.txt", "--regex", regex, "--temperature", "1", "--stats")
        ran = server.tether(*args, cwd=folder, environment={"TETHER_SEED": str(number)})
        assert ran.code == 0, ran.err
        assert ran.err.startswith("model builtin")
        return ran.out

    with ThreadPoolExecutor(4) as threads:
        first = list(threads.map(ask, range(12)))
    assert [out.split()[0] for out in first] == [str(number) for number in range(12)]
    assert [len(out.split()[1]) for out in first] == [number + 2 for number in range(12)]
    assert ask(7) == first[7]


def test_ctrl_c_ends_the_row_and_the_client(server: Server) -> None:
    slow = ("text", "x", "--max-tokens", "1900", "--regex", "[a-z ]{9000}", "--stream", "text")
    process = server.popen(*slow, "--temperature", "1", "--partial", "--draft", "off")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    assert process.stdout.read(3)  # it has begun
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(30) == 130
    assert time.monotonic() - began < 10
    assert process.stderr is not None
    assert process.stderr.read() == b"tether: Interrupted.\n"
    process.stdout.close()
    process.stderr.close()
    assert server.tether(*PERSON).code == 0


def test_a_reader_that_goes_away_is_a_success(server: Server) -> None:
    slow = ("text", "x", "--max-tokens", "900", "--regex", "[a-z ]{3000}", "--stream", "text")
    process = server.popen(*slow, "--temperature", "1")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.read(3)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_closed_streams_and_full_disks(server: Server) -> None:
    command = [sys.executable, "-m", "tether", *PERSON]
    environment = {**server.environment(), "REFUSE_TORCH": "1"}
    quoted = " ".join(f"'{part}'" for part in command)
    for redirection, code in ((">&-", 0), ("2>&- >/dev/null", 0), (">/dev/full", 1), ("<&-", 0)):
        done = subprocess.run(
            ["bash", "-c", f"{quoted} {redirection}"],
            cwd=server.home, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, (redirection, done.stderr)
        assert (b"No space left" in done.stderr) == (code == 1)


def test_a_terminal_is_a_terminal(server: Server) -> None:
    leader, follower = pty.openpty()
    environment = {**server.environment(), "REFUSE_TORCH": "1", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "tether", "json", "--schema", "name"]
    done = subprocess.run(
        command, env=environment, stdin=follower, stdout=follower, stderr=follower,
        cwd=server.home, check=False, timeout=60,
    )  # fmt: skip
    os.close(follower)
    shown = os.read(leader, 4096).decode()
    os.close(leader)
    assert done.returncode == 2
    assert "\x1b[31mtether: There is no prompt." in shown
