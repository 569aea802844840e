"""Front-end results kept between runs: content-addressed JSON files, no pickle.

One file holds the grammar text that a front end made (or nothing, where it was refused), the
findings, and the versions that made them. A file that is broken, foreign or of other versions is
as good as none and is written anew. Writing is a courtesy: where the folder cannot be written the
work is simply done again next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tether.grammars.findings import Finding

_FORMAT = 6
FLAGS = ("exact", "containers", "extras")
"""What an entry says of a schema's grammar."""
_MAKERS = ("llguidance", "jsonschema-rs", "lark")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a front end made of a text; `grammar` is None where it made none.

    `exact`, `containers` and `extras` are those of a schema's `Front`; other grammars are exact.
    """

    grammar: str | None
    findings: tuple[Finding, ...] | None
    exact: bool = True
    containers: bool = True
    extras: bool = False


def directory() -> Path:
    """`TETHER_CACHE_DIR`/constraints, or the user's cache folder for tether."""
    override = os.environ.get("TETHER_CACHE_DIR")
    if override:
        return Path(override) / "constraints"
    from platformdirs import user_cache_path

    return user_cache_path("tether", appauthor=False) / "constraints"


def content_key(parts: Sequence[str]) -> str:
    """The address of what a front end makes of `parts` under the versions installed now."""
    return _digest([*parts, *versions()])


@cache
def versions() -> tuple[str, ...]:
    """Everything whose change makes kept files worthless."""
    own = getattr(sys.modules["tether"], "__version__", "?")  # loaded: it is our parent
    return (str(_FORMAT), f"tether {own}", *map(_version, _MAKERS))


def load(key: str) -> Entry | None:
    """The entry of `key`, or None where there is none to trust."""
    try:
        data = json.loads(_path(key).read_text(encoding="utf-8"))
        if data["checksum"] != _checksum(data) or data["key"] != key:
            return None
        found = data["findings"]
        findings = None if found is None else tuple(Finding(**item) for item in found)
        flags = {name: bool(data[name]) for name in FLAGS}
        return Entry(data["grammar"], findings, **flags)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(key: str, entry: Entry) -> bool:
    """Keep an entry; whether that was possible. Readers never see half a file."""
    findings = None if entry.findings is None else [asdict(item) for item in entry.findings]
    data: dict[str, Any] = {
        "key": key,
        "versions": versions(),
        "grammar": entry.grammar,
        **{name: getattr(entry, name) for name in FLAGS},
        "findings": findings,
    }
    data["checksum"] = _checksum(data)
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, ensure_ascii=False)
            os.replace(aside, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(aside)
            raise
    except (OSError, UnicodeEncodeError):
        return False
    return True


def _path(key: str) -> Path:
    return directory().joinpath(key[:2], f"{key[2:]}.json")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} ?"


def _checksum(data: dict[str, Any]) -> str:
    """A hash of all fields; the grammar is not spelled as JSON again, for it is the most of it."""
    rest = {name: v for name, v in data.items() if name not in ("checksum", "grammar")}
    return _digest([json.dumps(rest, sort_keys=True), data["grammar"] or ""])


def _digest(parts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
