"""Listening sockets: the user's own ones on disk, and a loopback port."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tether.cli.serve import places
from tether.errors import UnavailableError, UsageError


@contextmanager
def alone() -> Iterator[None]:
    """Be the only server of this user: the folder is there, private, and locked.

    Raises:
        UnavailableError: Another server runs, or the folder is not the user's own.
    """
    from filelock import FileLock, Timeout

    folder = places.runtime_dir()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise UnavailableError.from_os(
            f"{folder} cannot be made", error, hint="Name another folder by TETHER_RUNTIME_DIR."
        ) from error
    if not places.is_private(folder):
        raise UnavailableError(
            f"{folder} is not a folder of yours alone.",
            hint="Make it so (chmod 700), or name another by TETHER_RUNTIME_DIR.",
        )
    try:
        with FileLock(os.path.join(folder, "lock"), timeout=0, mode=0o600):
            yield
    except Timeout:
        raise UnavailableError(
            f"A server runs already, at {folder}.",
            hint="Stop it first, or name another folder by TETHER_RUNTIME_DIR.",
        ) from None


@contextmanager
def on_disk(path: str) -> Iterator[socket.socket]:
    """A listening socket in the folder that `alone` locks: what lies there is stale, and replaced.

    Raises:
        UnavailableError: It cannot be had.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(path)
        except OSError as error:  # the path is longer than such sockets allow
            raise UnavailableError(
                f"The socket {path} cannot be made: {error}.",
                hint="Name a folder with a shorter path by TETHER_RUNTIME_DIR.",
            ) from error
        try:
            os.chmod(path, 0o600)
            listener.listen(128)
            yield listener
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)


@dataclass(frozen=True, slots=True)
class Address:
    """A loopback address.

    Attributes:
        host: An address, not a name.
        port: 0 for any that is free.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT`, `[HOST]:PORT` or `PORT`.

        Raises:
            UsageError: It is none, or others could reach it.
        """
        host, _, port = text.rpartition(":")
        host = {"": "127.0.0.1", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))
        if not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"--tcp {text!r} names no port.", hint="Write 127.0.0.1:8000.")
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback:
            raise UsageError(
                f"--tcp {text!r} is not an address of this machine alone.",
                hint="Use 127.0.0.1 or [::1]; a proxy of your own can carry it further.",
            )
        return cls(host, int(port))

    @contextmanager
    def listening(self) -> Iterator[socket.socket]:
        """A listening socket.

        Raises:
            UnavailableError: The port is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self.host, self.port))
            except OSError as error:
                raise UnavailableError.from_os(
                    f"The port {self.port} of {self.host} cannot be had", error,
                    hint="Choose another, or 0 for any that is free.",
                ) from error  # fmt: skip
            listener.listen(128)
            yield listener


@contextmanager
def token() -> Iterator[str]:
    """A fresh token, in a file that the user alone can read, for as long as the server runs."""
    path = places.token_file()
    with suppress(FileNotFoundError):
        os.unlink(path)
    made = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(made)
    try:
        yield made
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
