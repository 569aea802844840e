"""Which models a server has, so that a command with others is left to its client."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path

from tether.cli.config.settings_model import Settings
from tether.errors import ModelError

_FILES = ("*.json", "*.safetensors", "*.jinja")


def models_key(settings: Settings) -> Hashable:
    """Equal where the same names are the same files on the same device; None where some is not."""
    try:
        named = {
            role: getattr(settings, role) for role in ("model", "amateur", "expert", "draft_model")
        }
        files = [(role, name, *_stamps(name)) for role, name in named.items() if name is not None]
    except (ModelError, OSError):
        return None
    return (settings.device, settings.dtype, settings.compile, *files)


def _stamps(model: str) -> Iterator[Hashable]:
    """The folder of a model, and what tells its files from what they were before."""
    from tether.decoding.models.checkpoint import find

    folder = Path("builtin") if model == "builtin" else find(model).resolve()
    yield folder
    for pattern in _FILES:
        for path in sorted(folder.glob(pattern)):
            found = path.stat()
            yield (path.name, found.st_size, found.st_mtime_ns)
