"""The pre-pass of `--structure`: a passage under headings, kept on disk by passage and model."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from tether.cli.side import answer, spec_of
from tether.decoding.prompt import Prompt
from tether.grounding import structure
from tether.grounding.structure import Structured

if TYPE_CHECKING:
    from tether.cli.engine import Engine
    from tether.grammars.spec import Spec


def structured(engine: Engine, text: str) -> str:
    """The passage under headings that the model finds; costs one generation, once.

    Raises:
        LimitReached: The passage and its structure do not fit the model.
    """
    points = structure.points(text)
    if not points:
        return text
    path = _directory() / f"{sha256(f'{engine.fingerprint} {text}'.encode()).hexdigest()}.json"
    found = _kept(path)
    if found is None or found.points != sorted(points):
        spec = spec_of(structure.schema(text))
        said = answer(engine, _prompt(engine, text, spec), spec, engine.max_positions)
        _keep(path, json.dumps(said, ensure_ascii=False))
        found = Structured.of(said)
    return found.text()


def _prompt(engine: Engine, text: str, spec: Spec) -> Prompt:
    fields = structure.FIELDS if engine.reads_fields else json.dumps(spec.schema)
    return Prompt(text, fields=fields)


def _directory() -> Path:
    if override := os.environ.get("TETHER_CACHE_DIR"):
        return Path(override) / "structures"
    from platformdirs import user_cache_path

    return user_cache_path("tether", appauthor=False) / "structures"


def _kept(path: Path) -> Structured | None:
    """What was kept; None where that is nothing to trust."""
    try:
        return Structured.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(path: Path, text: str) -> None:
    """Write it; a courtesy, where the folder cannot be written it is done again next time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).replace(path)
