"""The contract with shells and scripts: bytes, exit codes, pipes, signals, start-up cost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE = "import fake_engine; fake_engine.install({delay}); from tether.cli.app import main; main()"
CHEAP = ("torch", "transformers", "pydantic", "rich", "llguidance", "lark", "numpy")


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TETHER_")}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
        "TETHER_CONFIG_DIR": str(tmp_path / "config"),
        "TETHER_CACHE_DIR": str(tmp_path / "cache"),
        **more,
    }


# What a shell puts in the background ignores Ctrl-C, and so would all that it starts.
LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(tmp_path: Path, *args: str, delay: float = 0.0, **more: Any) -> subprocess.Popen[bytes]:
    code = LISTENING + FAKE.format(delay=delay)
    more.setdefault("env", environment(tmp_path))
    for name in ("stdin", "stdout", "stderr"):
        more.setdefault(name, subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code, *args], cwd=tmp_path, **more)


def run(
    tmp_path: Path, *args: str, stdin: bytes = b"", **more: Any
) -> subprocess.CompletedProcess[bytes]:
    process = start(tmp_path, *args, **more)
    out, err = process.communicate(stdin, timeout=120)
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def say(text: str, **script: Any) -> str:
    return json.dumps({"say": text, **script})


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["text", "hi"], 0),
        (["text", "INVALID", "--regex", ".*"], 4),
        (["text", "hi", "--no-such-flag"], 2),
        (["nonsense"], 2),
        (["text"], 2),
        (["json", "hi", "--schema", "name itn"], 3),
        (["text", "hi", "-p", "nowhere"], 3),
        (["check", "name itn"], 3),
        (["text", say("", finish="dead_end")], 4),
        (["text", say("a", finish="limit")], 5),
        (["batch", "rows.jsonl"], 6),
        (["text", say("", raises="UnavailableError")], 7),
        (["text", say("", raises="Abstained")], 8),
        (["text", say("", interrupt=True)], 130),
    ],
)
def test_exit_codes(tmp_path: Path, args: list[str], code: int) -> None:
    (tmp_path / "rows.jsonl").write_text("not json\n")
    ran = run(tmp_path, *args)
    assert ran.returncode == code, ran.stderr.decode()
    if code and args[0] != "check":
        assert ran.stdout == b""
        assert b"Traceback" not in ran.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    ran = run(tmp_path, "--debug", "json", "hi", "--schema", "name itn")
    assert ran.returncode == 3
    assert b"Traceback" in ran.stderr
    assert b"SchemaError" in ran.stderr


def test_stdout_is_utf8_in_any_locale(tmp_path: Path) -> None:
    bare = environment(tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    ran = run(tmp_path, "text", stdin="żółć 🦊".encode(), env=bare)
    assert (ran.returncode, ran.stdout) == (0, "żółć 🦊\n".encode())


@pytest.mark.parametrize("args", [["text", "hi"], ["--help"], ["batch", "rows.jsonl"], ["man"]])
def test_a_closed_pipe_is_a_success(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt":"x"}\n' * 50)
    reader, writer = os.pipe()
    os.close(reader)
    process = start(tmp_path, *args, stdout=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "args", [["text", "hi"], ["--help"], ["json", "--help"], ["batch", "rows.jsonl"]]
)
def test_a_full_disk_on_stdout(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt":"x"}\n')
    with open("/dev/full", "wb") as full:
        ran = run(tmp_path, *args, stdout=full)
    assert ran.returncode == 1
    assert b"No space left on device.\nFree some space" in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) <= 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("option", ["-o", "--errors"])
def test_a_full_disk_on_a_file(tmp_path: Path, option: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt":"x"}\nnot json\n')
    ran = run(tmp_path, "batch", "rows.jsonl", option, "/dev/full")
    assert ran.returncode == 1
    assert b"/dev/full cannot be written: No space left on device." in ran.stderr


@pytest.mark.parametrize("args", [["text", "hi"], ["paths"], ["batch", "rows.jsonl"]])
def test_a_working_folder_that_is_gone(tmp_path: Path, args: list[str]) -> None:
    code = "import os; os.mkdir('x'); os.chdir('x'); os.rmdir('../x')\n" + FAKE.format(delay=0)
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, env=environment(tmp_path),
        capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (1, b"")
    message = b"tether: The working folder cannot be used: No such file or directory.\n"
    assert ran.stderr == message + b"Go to another (cd).\n"


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Impatient:
    def find_spec(self, name, *_):
        if name == {name!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Impatient())
import atexit
atexit.register(signal.raise_signal, signal.SIGINT)
from tether.cli.entry import main
main()
"""


@pytest.mark.parametrize("name", ["tether.cli.serve.client", "tether.cli.app", "typer", "nothing"])
def test_ctrl_c_while_the_program_is_loaded_or_ends(tmp_path: Path, name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(name=name), "paths", "--json"], cwd=tmp_path,
        env=environment(tmp_path), capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    is_loaded = name == "nothing"
    assert ran.stderr == (b"" if is_loaded else b"tether: Interrupted.\n")
    assert bool(ran.stdout) == is_loaded
    assert ran.returncode == -signal.SIGINT  # of the one that came as Python itself ended


def test_no_socket_is_opened(tmp_path: Path) -> None:
    blocked = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket = refuse; socket.create_connection = refuse\n"
        "import fake_engine; fake_engine.install()\n"
        "from tether.cli.app import main; main()\n"
    )
    (tmp_path / "rows.jsonl").write_text('{"prompt":"x"}\n')
    for args in (["json", say("{}"), "-s", "{}"], ["batch", "rows.jsonl"], ["check", "name"]):
        ran = subprocess.run(
            [sys.executable, "-c", blocked, *args], cwd=tmp_path, env=environment(tmp_path),
            capture_output=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr.decode()


def test_colours(tmp_path: Path) -> None:
    plain = run(tmp_path, "text").stderr
    assert b"\x1b[" not in plain
    forced = run(tmp_path, "text", env=environment(tmp_path, FORCE_COLOR="1")).stderr
    assert forced.startswith(b"\x1b[31mtether: ")
    both = environment(tmp_path, FORCE_COLOR="1", NO_COLOR="1")
    assert run(tmp_path, "text", env=both).stderr == plain


def loaded_after(tmp_path: Path, *args: str, **env: str) -> set[str]:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\nLOADED', *sys.modules, file=sys.stderr))\n"
        "from tether.cli.app import main; main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, env=environment(tmp_path, **env),
        capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return set(ran.stderr.decode().rpartition("LOADED")[2].split())


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    for args in (["--help"], ["--version"]):
        assert loaded_after(tmp_path, *args).isdisjoint(CHEAP), args
    # Behind a command Typer itself needs pydantic, to read its own --install-completion.
    assert loaded_after(tmp_path, "json", "--help").isdisjoint({*CHEAP} - {"pydantic", "numpy"})


def test_check_loads_no_model(tmp_path: Path) -> None:
    used = 'schema = "name"\nground = ["copy", "knob", "link"]\ncontrast = ["cad"]\n'
    (tmp_path / "tether.toml").write_text(f"[profiles.p]\n{used}draft = 'lookup,head'\n")
    for args in (["check", "name, age int"], ["check", "tether.toml"], ["profile", "show"]):
        assert loaded_after(tmp_path, *args).isdisjoint({"torch", "transformers"}), args


def test_completion_loads_no_model(tmp_path: Path) -> None:
    asked = {
        "_TETHER_COMPLETE": "complete_bash",
        "COMP_WORDS": "tether json --sch",
        "COMP_CWORD": "2",
    }
    loaded = loaded_after(tmp_path, **asked)
    assert loaded.isdisjoint({"torch", "transformers", "llguidance"})
    ran = subprocess.run(
        [sys.executable, "-m", "tether"], cwd=tmp_path, env=environment(tmp_path, **asked),
        capture_output=True, check=False,
    )  # fmt: skip
    assert ran.stdout.split() == [b"--schema"]


def test_help_costs_little(tmp_path: Path) -> None:
    """At most 150 ms of CPU (user and system); the best of three, as other work counts too."""

    def cost(*args: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *args], cwd=tmp_path, env=environment(tmp_path),
            capture_output=True, check=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost("-m", "tether", "--help") for _ in range(3)) < 0.150


def test_ready_help_is_the_programs_own(tmp_path: Path) -> None:
    """Into a pipe comes help.txt; a width that was asked for goes through Typer: same words."""
    command = [sys.executable, "-m", "tether", "--help"]
    texts = [
        subprocess.run(command, env=environment(tmp_path, **more), capture_output=True, check=True)
        for more in ({}, {"COLUMNS": "80"})
    ]
    assert texts[0].stdout == texts[1].stdout
    assert b"tether json" in texts[0].stdout


def batch_input(tmp_path: Path, num_rows: int) -> bytes:
    rows = [{"prompt": say(f"row {n}", steps=1 + n * 7 % 11)} for n in range(num_rows)]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    whole = [{"index": n, "output": f"row {n}"} for n in range(num_rows)]
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in whole).encode()


def test_kill_9_at_any_time_loses_and_doubles_nothing(tmp_path: Path) -> None:
    whole = batch_input(tmp_path, 400)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    journal = tmp_path / "out.jsonl.journal"
    sizes = [0]
    for _ in range(4):
        process = start(tmp_path, *args, delay=0.004, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while (not journal.exists() or journal.stat().st_size < sizes[-1] + 900) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert whole.startswith((tmp_path / "out.jsonl").read_bytes().rpartition(b"\n")[0])
        sizes.append(journal.stat().st_size)
    ran = run(tmp_path, *args)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert (tmp_path / "out.jsonl").read_bytes() == whole


def test_ctrl_c_leaves_a_batch_that_goes_on(tmp_path: Path) -> None:
    whole = batch_input(tmp_path, 200)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    process = start(tmp_path, *args, delay=0.02, stdin=subprocess.DEVNULL)
    while not (tmp_path / "out.jsonl").exists() or not (tmp_path / "out.jsonl").stat().st_size:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"--resume" in err
    assert run(tmp_path, *args).returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == whole


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_memory_does_not_grow_with_the_batch(tmp_path: Path) -> None:
    code = (
        "import re, fake_engine\n"
        "fake_engine.install().keep = False\n"
        "from tether.cli.app import run\n"
        "assert run(['batch', 'in.jsonl', '-o', 'out.jsonl', '--overwrite']) == 0\n"
        "print(re.search('VmHWM:\\\\s*(\\\\d+)', open('/proc/self/status').read())[1])\n"
    )

    def peak(num_rows: int) -> int:
        batch_input(tmp_path, num_rows)
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path),
            capture_output=True, check=True,
        )  # fmt: skip
        return int(ran.stdout)

    small = peak(500)
    assert peak(8_000) < small + 2_000  # kilobytes; 270 bytes a row would be seen


def test_reference_pages_are_fresh() -> None:
    ran = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()
