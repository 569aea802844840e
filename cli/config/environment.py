"""Settings from TETHER_* variables. An unknown variable of ours is an error, never dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tether.cli.config.profiles import suggest
from tether.cli.config.settings_model import KEYS
from tether.cli.kinds import SettingValue
from tether.errors import UsageError

PREFIX = "TETHER_"
OTHER = (
    *("TETHER_CONFIG_DIR", "TETHER_CACHE_DIR", "TETHER_RUNTIME_DIR"),
    *("TETHER_PROFILE", "TETHER_DEBUG"),
)
"""Variables that are not settings: three directories, the profiles to use, tracebacks."""

_LISTS = ("choices", "verbatim", "stop", "evidence", "contrast", "ground")


def variable(key: str) -> str:
    """The variable of a setting: `max_tokens` is TETHER_MAX_TOKENS."""
    return PREFIX + key.upper()


def values(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the environment names; an empty variable is an empty value.

    Raises:
        UsageError: A variable begins with TETHER_ and is not known, or does not parse.
    """
    known = {variable(key): key for key in KEYS}
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if name in known:
            found[known[name]] = _parse(name, known[name], text)
        elif name.startswith(PREFIX) and name not in OTHER:
            raise UsageError(
                f"Unknown environment variable {name}.",
                hint=suggest(name, (*known, *OTHER), "variables"),
            )
    return found


def profile_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The profiles of TETHER_PROFILE, separated by commas."""
    return tuple(filter(None, (n.strip() for n in environ.get("TETHER_PROFILE", "").split(","))))


def _parse(name: str, key: str, text: str) -> SettingValue:
    """Lists are JSON or comma-separated, `logit_bias` is JSON or `ID=VALUE,...`.

    Methods of `contrast` and `ground` have commas in them and are separated by blanks.
    """
    if key in _LISTS:
        parts = text.split() if key in ("contrast", "ground") else text.split(",")
        return _json(name, text) if text.startswith("[") else parts if text else []
    if key == "logit_bias":
        return _json(name, text) if text.startswith("{") else logit_bias(text.split(","), name)
    if key == "think" and text.lower() in ("true", "false", "1", "0", "yes", "no"):
        return text.lower() in ("true", "1", "yes")
    return text


def _json(name: str, text: str) -> SettingValue:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{name} is not valid JSON: {error}.", hint="Correct that place.", pointer=name
        ) from error


def logit_bias(pairs: list[str], place: str) -> dict[int, float]:
    """`ID=VALUE` pairs as a table.

    Raises:
        UsageError: A pair is not an integer and a number.
    """
    table: dict[int, float] = {}
    for pair in filter(None, pairs):
        token, _, value = pair.partition("=")
        try:
            table[int(token)] = float(value)
        except ValueError:
            raise UsageError(
                f"{place}: {pair!r} is not ID=VALUE.", hint="Write for example 17=-2.5."
            ) from None
    return table
