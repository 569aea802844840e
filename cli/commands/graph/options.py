"""The arguments and options that several of the graph commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="GRAPH", help="The folder of a graph.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
