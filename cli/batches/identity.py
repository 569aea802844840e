"""What decides the texts of a batch: compared on resume, so that a journal never mixes two runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tether import __version__
from tether.cli.config.settings_model import CONSTRAINTS, ROW_KEYS, SPEED_KEYS, Settings
from tether.cli.engine import Engine
from tether.cli.kinds import JsonValue
from tether.cli.said import Said

_LONG = 200


def identity(
    settings: Settings,
    said: Said,
    texts: Mapping[str, Any],
    engine: Engine,
) -> dict[str, Any]:
    """Names and values of everything that decides what is written, long values as hashes.

    Args:
        settings: The settings of the batch.
        said: What may be said where a row does not say otherwise.
        texts: Template, system and evidence as read, since the files named may change.
        engine: The model.
    """
    plain = [key for key in ROW_KEYS if key not in (*CONSTRAINTS, *SPEED_KEYS, *texts)]
    values: dict[str, Any] = {
        "tether": __version__,
        "model": f"{engine.name} {engine.fingerprint}",
        # Not which of several: workers have one each, and a batch may go on with fewer.
        "device": str(engine.description.get("device")).partition(":")[0],
        "dtype": engine.description.get("dtype"),
        **engine.others,
        **texts,
        **{key: getattr(settings, key) for key in plain},
        **said.identity,
        "partial": settings.partial,
    }
    return {key: _short(value) for key, value in values.items()}


def _short(value: JsonValue) -> JsonValue:
    text = json.dumps(value, sort_keys=True, default=list)
    if len(text) > _LONG:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return json.loads(text)
