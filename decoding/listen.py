"""What is heard beside the model at one step: its views, weighed, and the evidence of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tether.decoding.contrast import Said, contrasted
from tether.decoding.grounds.gather import Inside, gathered
from tether.decoding.lane import Reading
from tether.decoding.row import Row
from tether.decoding.views import Views
from tether.grounding.evidence import Clues


def listen(
    views: Views,
    rows: Sequence[Row],
    reading: Reading,
    masks: Tensor | None,
    logits: Tensor | None = None,
) -> Said:
    """One step's logits, contrast and evidence.

    Args:
        views: Hold the rows.
        rows: The rows that choose.
        reading: Of the model, with the lanes of all of them.
        masks: int32 [rows, words] on the CPU; given where a row has terms or sources.
        logits: float [rows, vocab], the rows' own, where they are known already.
    """
    said = contrasted(views, rows, reading, masks, logits)
    if masks is None or not any(row.request.sources for row in rows):
        return said
    inside = Inside(
        views.own(rows, reading),
        views.looks(rows, reading),
        views.shorts(rows, reading),
        views.retelling,
    )
    found = gathered(rows, said.logits, masks, inside)
    if found is None:
        return said
    doubt = found.doubt if said.doubt is None else torch.minimum(said.doubt, found.doubt)
    return replace(said, evidence=found.evidence, clues=found.clues, doubt=doubt)


def rests_on(clues: Sequence[Clues], token: int) -> Mapping[int, float]:
    """The passages behind a chosen token, by number, with their parts of it; they sum to 1 or 0."""
    parts: dict[int, float] = {}
    for found in clues:
        if found.origins is None:
            continue
        held = (found.ids == token) & (found.origins >= 0) & (found.values > 0)
        for origin, value in zip(found.origins[held], found.values[held], strict=True):
            parts[int(origin)] = parts.get(int(origin), 0.0) + float(value)
    total = sum(parts.values())
    return {origin: part / total for origin, part in parts.items()}
