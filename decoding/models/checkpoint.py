"""Files of a checkpoint: where it is, what its JSON says, its weights. Safetensors only.

Knows directories and the hub's local cache; never opens a socket.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tether.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


def find(model: str | None) -> Path:
    """The directory of a model: None is the shipped one, else a directory or a cached hub id.

    Raises:
        ModelError: Nothing is there, or what is there is not a checkpoint.
    """
    if model is None:
        return Path(str(files("tether.decoding.builtin"))) / "model"
    directory = Path(model).expanduser()
    if not directory.is_dir():
        directory = _cached(model)
    if not (directory / "config.json").is_file():
        raise ModelError(
            f"{directory} holds no config.json.",
            hint="Give the directory of a Hugging Face checkpoint.",
        )
    return directory


def _cached(model: str) -> Path:
    """The newest local snapshot of a hub id such as org/name."""
    looks_like_id = model.count("/") == 1 and not model.startswith((".", "/", "~"))
    if looks_like_id:
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(model, local_files_only=True))
        except (OSError, ValueError):
            pass
    raise ModelError(
        f"There is no model directory {model!r}"
        + (" and no such model in the local hub cache." if looks_like_id else "."),
        hint="tether never downloads: fetch the model first, for example with "
        f"`hf download {model}`."
        if looks_like_id
        else "Check the path after --model.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where the file does not exist."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(
            f"{path} cannot be read as JSON: {error}.", hint="Fetch the checkpoint again."
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object.", hint="Fetch the checkpoint again.")
    return value


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint, by its index where it has one."""
    index = read_json(directory / "model.safetensors.index.json")
    names = sorted(set(index.get("weight_map", {}).values())) or ["model.safetensors"]
    paths = [directory / name for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ModelError(
            f"{directory} lacks {', '.join(missing)}.",
            hint="tether reads safetensors only; convert other weight files first.",
        )
    return paths


def load_weights(directory: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint by name, as stored."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for path in weight_files(directory):
        try:
            weights.update(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{path} is not a readable safetensors file: {error}.",
                hint="The file may be cut short: fetch the checkpoint again.",
            ) from error
    return weights


def fingerprint(directory: Path) -> str:
    """SHA-256 over config, tokenizer and the weight files' headers and sizes.

    Headers name every tensor, its shape and offset; hashing gigabytes at each start would cost
    seconds, so equal shapes with other numbers are told apart by a sample of each file's end.
    """
    digest = hashlib.sha256()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        path = directory / name
        digest.update(path.read_bytes() if path.is_file() else b"")
    for path in weight_files(directory):
        with path.open("rb") as file:
            digest.update(file.read(1 << 16))
            file.seek(max(0, path.stat().st_size - (1 << 20)))
            digest.update(file.read())
        digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()
