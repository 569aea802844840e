"""Where a server and its clients meet: a folder of the user's own, with sockets in it.

Imported by every `tether json`: nothing here costs time.
"""

from __future__ import annotations

import os
import stat

WORLD = ("HOME", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "TETHER_CACHE_DIR", "XDG_CACHE_HOME")
"""Variables that decide which files and devices a process finds; those of the hub come on top."""
LOOKS = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "XDG_CONFIG_HOME")
"""Variables that a command reads for itself, beside those of tether."""


def runtime_dir() -> str:
    """TETHER_RUNTIME_DIR, else `tether` in XDG_RUNTIME_DIR, else a folder in the temporary one."""
    if named := os.environ.get("TETHER_RUNTIME_DIR"):
        return os.path.abspath(os.path.expanduser(named))
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(given, "tether")
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"tether-{os.getuid()}")


def command_socket() -> str:
    """Where command lines are taken."""
    return os.path.join(runtime_dir(), "commands.sock")


def http_socket() -> str:
    """Where HTTP is spoken."""
    return os.path.join(runtime_dir(), "http.sock")


def token_file() -> str:
    """Where the token of the loopback port is."""
    return os.path.join(runtime_dir(), "token")


def is_private(folder: str) -> bool:
    """Whether a folder is the user's own and closed to all others."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return own and not stat.S_IMODE(found.st_mode) & 0o077


def world() -> dict[str, str]:
    """The variables that must be the same in a server and in its client."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in WORLD or name.startswith(("HF_", "TRANSFORMERS_"))
    }


def looks() -> dict[str, str]:
    """The variables that a command brings along."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in WORLD and (name in LOOKS or name.startswith("TETHER_"))
    }
