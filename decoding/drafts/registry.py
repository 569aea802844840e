"""Which drafters there are, by the names that users write. Loads none of them; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from tether.decoding.options import suggest
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.decoding.drafts.draft import Drafter
    from tether.decoding.models.base import Model

_SHIPPED: Mapping[str, str] = {
    "lookup": "tether.decoding.drafts.lookup:Lookup",
    "recycle": "tether.decoding.drafts.recycle:Recycle",
    "ngrams": "tether.decoding.drafts.ngrams:Ngrams",
}
AUTO: tuple[str, ...] = ("lookup",)
"""What `auto` drafts with: what costs next to nothing, so that small models gain by it too."""
_MODELS: Mapping[str, str] = {
    "head": "tether.decoding.drafts.head:Head",
    "model": "tether.decoding.drafts.model:DraftModel",
    "rapid": "tether.decoding.drafts.rapid:Rapid",
    "swift": "tether.decoding.drafts.swift:Swift",
}
GROUP = "tether.drafters"
"""Entry points of this group are drafters too: `name = "package.module:Maker"`."""


def parse(text: str, *, has_model: bool = False) -> tuple[str, ...]:
    """The drafters named by `auto`, `off` or names with commas between them.

    Args:
        text: As users write it.
        has_model: Whether a model that drafts was named; `auto` then drafts with it too.

    Raises:
        UsageError: There is no such drafter, or one is named twice.
    """
    if text == "off":
        return ()
    if text == "auto":
        return ("model", *AUTO) if has_model else AUTO
    names = tuple(name.strip() for name in text.split(","))
    known = _makers()
    for name in names:
        if name not in known:
            raise UsageError(
                f"There is no drafter {name!r}.", hint=suggest(name, ["auto", "off", *known])
            )
        if names.count(name) > 1:
            raise UsageError(f"The drafter {name!r} is named twice.", hint="Keep one of them.")
    return names


def make(name: str, model: Model, helper: Model | None = None) -> Drafter:
    """The drafter of a name that `parse` gave, for a model.

    Args:
        name: Of the drafter.
        model: Which drafts are for.
        helper: What `model` drafts with, and `rapid` in place of the model itself.

    Raises:
        UsageError: There is no helper, and the drafter is nothing else.
        ModelError: The drafter cannot work with this model.
    """
    if name == "model" and helper is None:
        raise UsageError(
            "The drafter model needs a model to draft with.", hint="Name one: --draft-model NAME."
        )
    place = _makers()[name]
    module, _, attribute = place.partition(":")
    maker: Callable[[Model], Drafter] = getattr(import_module(module), attribute)
    return maker(helper if helper is not None and name in ("model", "rapid") else model)


@cache
def _makers() -> Mapping[str, str]:
    return {
        **{point.name: point.value for point in entry_points(group=GROUP)},
        **_SHIPPED,
        **_MODELS,
    }
