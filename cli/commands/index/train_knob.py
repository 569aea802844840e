"""`tether index train-knob`: learn by which direction a model answers from its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tether.cli import streams
from tether.cli.commands.index.options import MODEL
from tether.cli.kinds import SettingValue
from tether.cli.options import takes
from tether.errors import UsageError

EXAMPLES = "tether index train-knob rows.jsonl -o model.knob --model ~/models/m"


@takes(MODEL)
def run(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="A jsonl file; see above.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A new file.")],
    layer: Annotated[
        list[int] | None, typer.Option(min=1, help="After so many layers; default: tries all.")
    ] = None,
    steps: Annotated[int, typer.Option(min=0, help="Updates for each layer.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the order of the rows.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    **flags: SettingValue,
) -> None:
    """Learn the knob by which a model answers from its evidence or from memory.

    A row has `prompt`, `evidence` (a list of texts), and the answers `context` and `prior`, or one
    of them. Rows whose prompt itself decides (it says so, or there is nothing else to answer from)
    also have `intent`: `context` or `prior`. Use it by `--ground knob,file=FILE`.
    """
    from tether.cli import engine
    from tether.cli.indexing import settings_of
    from tether.cli.meter import Meter
    from tether.decoding.knob.items import read_items
    from tether.decoding.knob.train import Schedule, train

    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists.", hint="Name another file, or use --overwrite.")
    model = engine.load_model(settings_of(flags))
    how = Schedule(tuple(layer or range(1, model.network.num_layers + 1)), steps, seed=seed)
    items = read_items(rows, model)
    with Meter() as meter:
        facts = train(model, items, how, meter.stage("learning", how.total)).save(output)
    shares = ", ".join(f"{share:.1%} {intent}" for intent, share in facts.accuracy.items())
    streams.say(f"{output}: layer {facts.layer}; held-out answers by intent: {shares}.")
