"""`tether paths`: where things are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from tether.cli import streams

EXAMPLES = """
tether paths
tether paths --json | jq -r .user_config
"""


def run(
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Show where settings, caches and models are.

    A file or directory that is not there is marked; for a project file that means none was found
    from here upwards.
    """
    found = places()
    if as_json:
        streams.write_line(json.dumps({k: None if p is None else str(p) for k, p in found.items()}))
        return
    width = max(map(len, found))
    for name, path in found.items():
        note = "" if path is not None and path.exists() else "  (not there)"
        streams.write_line(f"{name:<{width}}  {path or '-'}{note}")


def places() -> dict[str, Path | None]:
    """Name to path of everything that tether reads or writes of its own accord."""
    import tether.decoding.builtin
    from tether.cli.config import toml_files
    from tether.cli.serve.places import runtime_dir

    project = toml_files.project_file(Path.cwd())
    return {
        "project_config": None if project is None else project.path,
        "user_config": toml_files.config_dir(os.environ) / toml_files.PROJECT_FILE,
        "cache": cache_dir(),
        "server": Path(runtime_dir()),
        "model_hub": hub_dir(),
        "shipped_model": Path(tether.decoding.builtin.__file__).parent,
    }


def cache_dir() -> Path:
    """TETHER_CACHE_DIR, or the place that the system keeps for caches."""
    if named := os.environ.get("TETHER_CACHE_DIR"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("tether", appauthor=False)


def hub_dir() -> Path:
    """Where Hugging Face's library keeps downloaded models."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    return Path(home).expanduser() / "hub"
