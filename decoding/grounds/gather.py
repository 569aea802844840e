"""From the sources of the rows to the evidence of one step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tether.decoding.blend import sound
from tether.decoding.cpu.tokens import bits
from tether.decoding.plan import Evidence
from tether.decoding.request import Sampling
from tether.decoding.row import Row
from tether.grounding.evidence import Clues, Moment, Nudge, Source

OPEN_SHARE = 8
"""With an eighth of the vocabulary allowed, at least, text stands there, no punctuation."""
_MOST = 0.999  # of the probability; the rest stays the model's, so that no token falls to zero


@dataclass(frozen=True, slots=True)
class Inside:
    """What a step holds beside its logits.

    Attributes:
        hidden: float [rows, width], what the model's head reads.
        attention: float [rows, positions] of the copying heads; None where no source needs it.
        shorts: Logits [vocab] given a row's short prompt, by its place; rows that need none or
            have no other prompt are absent.
        retelling: Reads the last token of a row again.
    """

    hidden: Tensor
    attention: Tensor | None
    shorts: Mapping[int, Tensor]
    retelling: Callable[[Row], Nudge]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources make of one step.

    Attributes:
        evidence: On the device of the logits; None where no choice can turn on it.
        clues: By the place of a row.
        doubt: float [rows], how far the nearest decision of a gate is from turning.
    """

    evidence: Evidence | None
    clues: Mapping[int, tuple[Clues, ...]]
    doubt: Tensor


def gathered(rows: Sequence[Row], logits: Tensor, masks: Tensor, inside: Inside) -> Gathered | None:
    """Ask the sources of the rows that have a choice; None where none knows anything.

    Args:
        rows: The rows that choose.
        logits: float [rows, vocab], whole where a row has sources.
        masks: int32 [rows, words] on the CPU.
        inside: What the model holds of them.
    """
    counts = {
        n: _count(masks[n]) if row.constrained else logits.shape[1]
        for n, row in enumerate(rows)
        if row.request.sources
    }
    looking = [n for n, count in counts.items() if count > 1]
    if not looking:
        return None
    open_from = logits.shape[1] / OPEN_SHARE
    step = _Step.of([rows[n] for n in looking], looking, logits, masks, inside)
    moments = {
        n: step.moment(i, counts[n] >= open_from and not rows[n].in_key)
        for i, n in enumerate(looking)
    }
    clues: dict[int, list[Clues]] = {}
    for source, places in _by_source(rows, looking).items():
        for place, found in zip(places, source.look([moments[n] for n in places]), strict=True):
            if found is not None:
                clues.setdefault(place, []).append(found)
    if not clues:
        return None
    moved = {n for i, n in enumerate(looking) if n in clues and not step.agrees(i, clues[n])}
    return _assembled({n: tuple(found) for n, found in clues.items()}, moved, logits)


def _by_source(rows: Sequence[Row], places: Sequence[int]) -> dict[Source, list[int]]:
    """The rows of each source: a store that several rows share is asked once."""
    found: dict[Source, list[int]] = {}
    for place in places:
        for source in rows[place].request.sources:
            found.setdefault(source, []).append(place)
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """What some sources look at, for the rows that have any; None where no source needs it."""

    rows: Sequence[Row]
    log_p: np.ndarray | None
    allowed: np.ndarray | None
    hidden: np.ndarray | None
    attention: np.ndarray | None
    words: np.ndarray
    shorts: Mapping[int, np.ndarray]
    retelling: Callable[[Row], Nudge]

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        places: Sequence[int],
        logits: Tensor,
        masks: Tensor,
        inside: Inside,
    ) -> _Step:
        """The tensors of these rows, in one transfer each."""
        needs = {need for row in rows for source in row.request.sources for need in source.needs}
        some = slice(None) if len(places) == len(logits) else list(places)
        allowed, words = None, masks[some].numpy().view(np.uint32)
        if "allowed" in needs:
            allowed = np.stack([bits(row, logits.shape[1]).astype(bool) for row in words])
        return cls(
            rows,
            _numbers(torch.log_softmax(sound(logits[some]), dim=1)) if "log_p" in needs else None,
            allowed,
            _numbers(inside.hidden[some]) if "hidden" in needs else None,
            None if inside.attention is None else _numbers(inside.attention[some]),
            words,
            {
                index: _numbers(torch.log_softmax(sound(inside.shorts[place]), dim=0))
                for index, place in enumerate(places)
                if place in inside.shorts
            },
            inside.retelling,
        )

    def moment(self, index: int, is_open: bool) -> Moment:
        """What the sources of a row may look at."""
        row = self.rows[index]
        needs = {need for source in row.request.sources for need in source.needs}
        return Moment(
            context=row.context,
            start=len(row.request.prompt),
            open=is_open,
            log_p=None if self.log_p is None else self.log_p[index],
            allowed=None if self.allowed is None else self.allowed[index],
            hidden=None if self.hidden is None else self.hidden[index],
            attention=None if self.attention is None else self.attention[index],
            short=self.shorts.get(index),
            nudge=self.retelling(row) if "nudge" in needs else None,
            slots=row.slots if "slots" in needs else (),
        )

    def agrees(self, index: int, clues: Sequence[Clues]) -> bool:
        """Whether a greedy choice is what all clues say anyway: they need not be weighed."""
        request = self.rows[index].request
        if self.log_p is None or request.sampling != Sampling(seed=request.sampling.seed):
            return False
        best = int(self.log_p[index].argmax())
        allowed = bool(self.words[index, best >> 5] >> np.uint32(best & 31) & np.uint32(1))
        said = all((c.ids == best).all() and (c.share > 0 or (c.values >= 0).all()) for c in clues)
        return allowed and said and not request.terms


def _count(mask: Tensor) -> int:
    """How many tokens a row may say."""
    return int(np.bitwise_count(mask.numpy().view(np.uint32)).sum())


def _numbers(tensor: Tensor) -> np.ndarray:
    return (tensor if tensor.dtype == torch.float64 else tensor.float()).cpu().numpy()


def _assembled(
    clues: Mapping[int, tuple[Clues, ...]], moved: Collection[int], logits: Tensor
) -> Gathered:
    """The tensors; only rows that are moved have any evidence in them."""
    count, device = len(logits), logits.device
    doubt = [min((c.doubt for c in clues.get(n, ())), default=np.inf) for n in range(count)]
    doubts = torch.tensor(doubt, device=device)
    if not moved:
        return Gathered(None, clues, doubts)
    held = [clues[n] if n in moved else () for n in range(count)]
    added = [[c for c in row if not c.share] for row in held]
    mixed = [[c for c in row if c.share] for row in held]
    scales = [min(1.0, _MOST / max(sum(c.share for c in row), _MOST)) for row in mixed]
    shares = [[c.values * (c.share * s) for c in row] for row, s in zip(mixed, scales, strict=True)]
    evidence = Evidence(
        _padded([[c.ids for c in row] for row in added], -1, np.int64, device),
        _padded([[c.values for c in row] for row in added], 0, np.float32, device),
        _padded([[c.ids for c in row] for row in mixed], -1, np.int64, device),
        _padded(shares, 0, np.float32, device),
    )
    return Gathered(evidence, clues, doubts)


def _padded(
    rows: Sequence[Sequence[np.ndarray]], fill: float, kind: type, device: torch.device
) -> Tensor:
    """[rows, longest]."""
    lengths = [sum(map(len, row)) for row in rows]
    if not any(lengths):
        return torch.from_numpy(np.empty((len(rows), 0), dtype=kind)).to(device)
    whole: np.ndarray = np.full((len(rows), max(lengths)), fill, dtype=kind)
    for held, row in zip(whole, rows, strict=True):
        at = 0
        for part in row:
            held[at : at + len(part)] = part
            at += len(part)
    return torch.from_numpy(whole).to(device)
