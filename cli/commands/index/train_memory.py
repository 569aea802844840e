"""`tether index train-memory`: a network that says what the nearest states say followed."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.cli import streams
from tether.cli.commands.index.options import MODEL, Folder
from tether.cli.kinds import SettingValue
from tether.cli.options import takes

EXAMPLES = """
tether index store kb --store states
tether index train-memory kb --epochs 20
"""


@takes(MODEL)
def run(
    index: Folder,
    epochs: Annotated[int, typer.Option(min=1, help="Times that every state is seen.")] = 10,
    layers: Annotated[int, typer.Option(min=0, help="Layers of the memory.")] = 2,
    trust: Annotated[
        float,
        typer.Option(min=0, max=1, help="Weight of the neighbours against what really followed."),
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and order.")] = 0,
    **flags: SettingValue,
) -> None:
    """Train a small network on the states of an index, for --ground memory.

    It learns what the nearest states say followed, so that no search is needed while text is made.
    The index needs its states first: `tether index store INDEX --store states`.
    """
    from tether.cli import engine
    from tether.cli.indexing import settings_of
    from tether.cli.meter import Meter
    from tether.decoding.grounds.memorise import train_memory

    model = engine.load_model(settings_of(flags))
    with Meter() as meter:
        losses = train_memory(
            index, model, meter, epochs=epochs, layers=layers, trust=trust, seed=seed
        )
    streams.say(f"{index}: trained memory; its loss fell from {losses[0]:.4f} to {losses[-1]:.4f}.")
