"""Stores of evidence in an index: what a model says of the passages, made once, used by --ground.

The parts that `tether index build --store` makes, for an index that is there already, and the
memory that is trained on one of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.cli import streams
from tether.cli.kinds import SettingValue
from tether.cli.options import takes
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grounding.index.layout import Manifest
    from tether.grounding.index.maker import Maker

MODEL = ("model", "device", "dtype")

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="The folder of an index.")]
StoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        metavar="NAME",
        help="Also make what a method of grounding needs: transitions[:count|:logit] (grad), "
        "states (knn), references[:embedder] (caad). Reads all passages with --model; repeated for "
        "several.",
        rich_help_panel="Evidence",
        show_default=False,
    ),
]


@takes(MODEL)
def store(index: Folder, store: StoreOption = None, **flags: SettingValue) -> None:
    """Make stores of evidence from the passages of an index, or make them again.

    A store belongs to the model it was made with, and to the passages that the index held then.
    """
    from tether.cli.indexing import Meter
    from tether.grounding.index.layout import PASSAGES
    from tether.grounding.index.store import Passages
    from tether.grounding.index.writing import editing

    if not store:
        raise UsageError("No store is named.", hint="Name one: --store states.")
    makers = store_makers(store, flags)
    with Meter() as meter, editing(index) as edit:
        edit.old.check("size")
        passages = Passages(edit.old.part(PASSAGES).folder)
        for maker in makers:
            maker.make(edit, passages, None, meter)
    streams.say(f"{index}: made {', '.join(maker.name for maker in makers)}.")


@takes(MODEL)
def train_memory(
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
    from tether.cli.indexing import Meter
    from tether.decoding.grounds.memorise import train_memory

    model = engine.load_model(_settings(flags))
    with Meter() as meter:
        losses = train_memory(
            index, model, meter, epochs=epochs, layers=layers, trust=trust, seed=seed
        )
    streams.say(f"{index}: trained memory; its loss fell from {losses[0]:.4f} to {losses[-1]:.4f}.")


def store_makers(names: list[str] | None, flags: dict[str, Any]) -> list[Maker]:
    """What makes these stores, by the model of the flags.

    Raises:
        UsageError: There is no such store.
    """
    if not names:
        return []
    from tether.cli import engine
    from tether.decoding.grounds.makers import stores

    settings = _settings(flags)
    return stores(names, lambda: engine.load_model(settings))


def stores_of(manifest: Manifest) -> list[str]:
    """The stores that an index has of its passages, as `--store` names them."""
    found = []
    for name in ("transitions", "states", "references"):
        if manifest.has(name):
            facts = manifest.parts[name].facts
            kind = facts.get("mode") or facts.get("keys")
            found.append(f"{name}:{kind}" if kind else name)
    return found


def _settings(flags: dict[str, Any]) -> Any:  # noqa: ANN401  # imported when it is used
    from tether.cli.config.settings import resolve

    return resolve(flags).settings
