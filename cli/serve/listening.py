"""Listening sockets on disk, in a folder of the user's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tether.cli.serve import places
from tether.errors import UnavailableError


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
        raise UnavailableError(f"{folder} cannot be made: {error.strerror}.") from error
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
