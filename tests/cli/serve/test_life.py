"""How a server starts, ends, and is missed."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server

from tether.cli.serve import client, places
from tether.cli.serve.commands import CommandLine
from tether.cli.serve.listening import Address
from tether.errors import UsageError

ASKED = ("text", "x", "--choice", "yes", "--choice", "no")
SLOW = ("text", "x", "--max-tokens", "1000", "--regex", "[a-z ]{3000}", "--temperature", "1")


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def begun(running: subprocess.Popen[bytes]) -> None:
    """Wait until a streaming command has said something."""
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.close()
    running.stdin = None
    assert running.stdout.read(2)


def test_from_start_to_end_and_again(home: Path) -> None:
    server = Server(home, ("--no-http",)).start()
    assert server.tether(*ASKED).code == 0
    assert stat.S_IMODE(server.run_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.run_dir / "commands.sock").stat().st_mode) == 0o600

    second = server.tether("serve", served=False)
    assert second.code == 7
    assert "A server runs already" in second.err

    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (server.run_dir / "commands.sock").exists()
    missed = server.tether(*ASKED)
    assert "must not import torch" in missed.err  # a stale socket: the client does it itself

    server.start()
    assert server.tether(*ASKED).code == 0
    with server.popen(*SLOW, "--stream", "text") as running:
        begun(running)
        assert server.process is not None
        server.process.send_signal(signal.SIGINT)
        while "still run" not in server.log.read_text():
            time.sleep(0.02)
        assert server.stop(signal.SIGINT) == 0
        assert running.wait(20) == 130
    assert sorted(path.name for path in server.run_dir.iterdir()) == ["lock"]


def test_a_server_that_dies_is_said(home: Path) -> None:
    server = Server(home, ("--no-http",)).start()
    with server.popen(*SLOW, "--stream", "text") as running:
        begun(running)
        server.stop(signal.SIGKILL)
        assert running.wait(20) == 7
        assert running.stderr is not None
        assert b"The server ended before the command did." in running.stderr.read()


@pytest.fixture
def socket_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A listening socket where a server's would be, which never answers."""
    monkeypatch.setenv("TETHER_RUNTIME_DIR", str(home))
    home.chmod(0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(places.command_socket())
    listener.listen()
    return listener


def test_a_silent_socket_is_not_waited_for(
    socket_at: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(client, "_open_streams", lambda: [0])
    with socket_at:
        assert client.served(["json", "x"]) is None


def test_a_folder_that_others_can_enter_is_not_trusted(
    socket_at: socket.socket, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o755)
    monkeypatch.setattr(client, "_handed_over", lambda *_: pytest.fail("it was trusted"))
    with socket_at:
        assert client.served(["json", "x"]) is None


def test_what_is_never_asked_of_a_server(
    socket_at: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_handed_over", lambda *_: pytest.fail("it was asked"))
    with socket_at:
        for args in (["batch", "x"], [], ["--debug", "json"], ["json", "--help"]):
            assert client.served(args) is None


def test_another_version_or_another_world_is_left_to_itself() -> None:
    ours = {"identity": client.identity(), "world": places.world()}
    assert CommandLine(ours, []).is_ours
    assert not CommandLine({**ours, "identity": ["0.0", *client.identity()[1:]]}, []).is_ours
    assert not CommandLine({**ours, "world": {**places.world(), "HF_HOME": "/x"}}, []).is_ours


def test_only_loopback() -> None:
    assert Address.parse("8000") == Address("127.0.0.1", 8000)
    assert Address.parse("localhost:1") == Address("127.0.0.1", 1)
    assert Address.parse("[::1]:9") == Address("::1", 9)
    for text in ("0.0.0.0:80", "10.0.0.1:80", "example.org:80", "127.0.0.1", "1.2.3.4:x", ":99999"):
        with pytest.raises(UsageError):
            Address.parse(text)


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TETHER_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert places.runtime_dir() == f"/tmp/tether-{os.getuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert places.runtime_dir() == "/run/user/7/tether"
    monkeypatch.setenv("TETHER_RUNTIME_DIR", "/x/y")
    assert places.runtime_dir() == "/x/y"
