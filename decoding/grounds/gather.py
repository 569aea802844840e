"""From the sources of the rows to the evidence of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tether.decoding.blend import sound
from tether.decoding.cpu.tokens import bits
from tether.decoding.plan import Evidence
from tether.decoding.row import Row
from tether.grounding.evidence import Clues, Moment, Need, Source

_OPEN_SHARE = 8  # at least an eighth of the vocabulary allowed: text, not keys and punctuation
_MOST = 0.999  # of the probability; the rest stays the model's, so that no token falls to zero


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources make of one step.

    Attributes:
        evidence: On the device of the logits.
        clues: By the place of a row.
        doubt: float [rows], how far the nearest decision of a gate is from turning.
    """

    evidence: Evidence
    clues: Mapping[int, tuple[Clues, ...]]
    doubt: Tensor


def gathered(
    rows: Sequence[Row], logits: Tensor, masks: Tensor, hidden: Tensor, attention: Tensor | None
) -> Gathered | None:
    """Ask the sources of the rows that have a choice; None where none knows anything.

    Args:
        rows: The rows that choose.
        logits: float [rows, vocab], whole where a row has sources.
        masks: int32 [rows, words] on the CPU.
        hidden: float [rows, width], what the model's head reads.
        attention: float [rows, positions] of the copying heads; None where no source needs it.
    """
    counts = np.bitwise_count(masks.numpy().view(np.uint32)).sum(axis=1)
    looking = [n for n, row in enumerate(rows) if row.request.sources and counts[n] > 1]
    if not looking:
        return None
    step = _Step(rows, logits, masks, hidden, attention)
    moments = {n: step.moment(n, bool(counts[n] * _OPEN_SHARE >= logits.shape[1])) for n in looking}
    clues: dict[int, list[Clues]] = {}
    for source, places in _by_source(rows, looking).items():
        for place, found in zip(places, source.look([moments[n] for n in places]), strict=True):
            if found is not None:
                clues.setdefault(place, []).append(found)
    return _assembled({n: tuple(found) for n, found in clues.items()}, logits) if clues else None


def _by_source(rows: Sequence[Row], places: Sequence[int]) -> dict[Source, list[int]]:
    """The rows of each source: a store that several rows share is asked once."""
    found: dict[Source, list[int]] = {}
    for place in places:
        for source in rows[place].request.sources:
            found.setdefault(source, []).append(place)
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """The tensors of a step, handed out by row as far as somebody needs them."""

    rows: Sequence[Row]
    logits: Tensor
    masks: Tensor
    hidden: Tensor
    attention: Tensor | None

    def moment(self, place: int, is_open: bool) -> Moment:
        """What the sources of a row may look at."""
        row = self.rows[place]
        needs: set[Need] = set().union(*(source.needs for source in row.request.sources))
        size = self.logits.shape[1]
        log_p = None
        if "log_p" in needs:
            wide = sound(self.logits[place : place + 1])
            log_p = torch.log_softmax(wide, dim=1)[0].cpu().numpy()
        allowed = None
        if "allowed" in needs:
            allowed = bits(self.masks[place].numpy().view(np.uint32), size).astype(bool)
        return Moment(
            context=row.context,
            start=len(row.request.prompt),
            open=is_open,
            log_p=log_p,
            allowed=allowed,
            hidden=self._of(self.hidden, place) if "hidden" in needs else None,
            attention=self._of(self.attention, place) if "attention" in needs else None,
        )

    @staticmethod
    def _of(tensor: Tensor | None, place: int) -> np.ndarray | None:
        if tensor is None:
            return None
        row = tensor[place]
        return (row if row.dtype == torch.float64 else row.float()).cpu().numpy()


def _assembled(clues: Mapping[int, tuple[Clues, ...]], logits: Tensor) -> Gathered:
    count, device = len(logits), logits.device
    added = [[c for c in clues.get(n, ()) if not c.share] for n in range(count)]
    mixed = [[c for c in clues.get(n, ()) if c.share] for n in range(count)]
    scales = [min(1.0, _MOST / max(sum(c.share for c in row), _MOST)) for row in mixed]
    shares = [[c.values * (c.share * s) for c in row] for row, s in zip(mixed, scales, strict=True)]
    evidence = Evidence(
        _padded([[c.ids for c in row] for row in added], -1, torch.int64, device),
        _padded([[c.values for c in row] for row in added], 0, torch.float32, device),
        _padded([[c.ids for c in row] for row in mixed], -1, torch.int64, device),
        _padded(shares, 0, torch.float32, device),
    )
    doubt = [min((c.doubt for c in clues.get(n, ())), default=np.inf) for n in range(count)]
    return Gathered(evidence, clues, torch.tensor(doubt, device=device))


def _padded(
    rows: Sequence[Sequence[np.ndarray]], fill: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """[rows, longest]."""
    joined = [np.concatenate(row) if row else np.empty(0) for row in rows]
    whole = torch.full((len(rows), max(map(len, joined))), fill, dtype=dtype)
    for held, row in zip(whole, joined, strict=True):
        held[: len(row)] = torch.as_tensor(row)
    return whole.to(device)
