"""From the terms of the rows to the contrast of one step: who is heard, with which weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from tether.decoding.head import step_logits
from tether.decoding.lane import Reading
from tether.decoding.plan import Contrast, Evidence
from tether.decoding.reference import unpack
from tether.decoding.row import Row
from tether.decoding.terms.scales import Scales
from tether.decoding.terms.seen import Seen
from tether.decoding.terms.term import OWN, Role, Term, Variant, View, roles
from tether.decoding.views import Views, same
from tether.grounding.evidence import Clues

_VARIANTS: tuple[Variant, ...] = get_args(Variant)


@dataclass(frozen=True, slots=True)
class Said:
    """What the views make of one step.

    Attributes:
        logits: float [rows, vocab], the rows' own; see `head.step_logits` for what is left out.
        led: For each row, whether the choice is the expert's.
        asked: For each row, how many other networks were asked.
        contrast: None where no row has any.
        head: float [rows], alpha of the plausibility head; None as above.
        doubt: [rows], how far the nearest decision of a gate is from turning; None as above.
        mixtures: By the place of a row; see `Scales`.
        evidence: None where no source knows anything.
        clues: What the sources said, by the place of a row.
    """

    logits: Tensor
    led: Sequence[bool]
    asked: Sequence[int]
    contrast: Contrast | None = None
    head: Tensor | None = None
    doubt: Tensor | None = None
    mixtures: Mapping[int, Tensor] = field(default_factory=dict)
    evidence: Evidence | None = None
    clues: Mapping[int, tuple[Clues, ...]] = field(default_factory=dict)


def contrasted(
    views: Views,
    rows: Sequence[Row],
    reading: Reading,
    masks: Tensor | None,
    logits: Tensor | None = None,
) -> Said:
    """One step's logits, with the views that the rows' terms ask for.

    Args:
        views: Hold the rows.
        rows: The rows that choose.
        reading: Of the model, with the lanes of all of them.
        masks: int32 [rows, words] on the CPU; given where a row has terms.
        logits: float [rows, vocab], the rows' own, where they are known already.
    """
    if logits is None:
        logits = own_logits(views, rows, views.own(rows, reading), masks)
    groups = {} if masks is None else _groups(rows, masks)
    if masks is None or not groups:
        return Said(logits, [False] * len(rows), [0] * len(rows))
    return _Step(views, rows, logits, masks, groups).said(reading)


def own_logits(views: Views, rows: Sequence[Row], hidden: Tensor, masks: Tensor | None) -> Tensor:
    """The logits of hidden states [n, width] of some rows, at least where masks allow a token."""
    whole = any(map(_reads_whole, rows))
    return step_logits(views.networks["model"], hidden, None if whole else masks)


def _reads_whole(row: Row) -> bool:
    """Whether log-probabilities over the whole vocabulary are read, not only compared."""
    request = row.request
    return bool(request.terms or request.sources) or request.sampling.repetition_penalty != 1


def _groups(rows: Sequence[Row], masks: Tensor) -> dict[tuple[Term, ...], list[int]]:
    """Places of rows with equal terms and with more than one token to choose from."""
    groups: dict[tuple[Term, ...], list[int]] = {}
    if not any(row.request.terms for row in rows):
        return groups
    counts = np.bitwise_count(masks.numpy().view(np.uint32)).sum(axis=1)
    for place, row in enumerate(rows):
        if row.request.terms and counts[place] > 1:
            groups.setdefault(row.request.terms, []).append(place)
    return groups


class _Step:
    """One step of some rows; a plane of `said` for each view, rows that it is not for unread."""

    def __init__(
        self,
        views: Views,
        rows: Sequence[Row],
        logits: Tensor,
        masks: Tensor,
        groups: Mapping[tuple[Term, ...], list[int]],
    ) -> None:
        self._views, self._rows, self._logits, self._groups = views, rows, logits, groups
        self._allowed = unpack(masks.to(logits.device), logits.shape[1])
        wanted = (v for places in groups.values() for v in views.wanted(rows[places[0]].request))
        self._planes = list(dict.fromkeys(wanted))
        self._asked = [0] * len(rows)
        self._heard = logits.repeat(len(self._planes), 1, 1)  # a view that is not asked agrees

    def said(self, reading: Reading) -> Said:
        """Listen to the model's views, then to whom the terms call, then weigh."""
        open_rows = [place for places in self._groups.values() for place in places]
        self._listen("model", open_rows, reading)
        seen = {terms: self._seen(terms, places) for terms, places in self._groups.items()}
        for role, called in self._called(seen).items():
            self._listen(role, called, self._views.ask(role, [self._rows[p] for p in called]))
            for place in called:
                self._asked[place] += 1
        return self._weighed(seen)

    def _listen(self, role: Role, places: Sequence[int], reading: Reading) -> None:
        """Fill the planes of a network's views, by one product of its head."""
        found = [
            (plane, place, self._views.lane(self._rows[place], view), view)
            for plane, view in enumerate(self._planes)
            for place in places
            if view.role == role and view in self._views.wanted(self._rows[place].request)
        ]
        if not found:
            return
        planes, rows, lanes, views = zip(*found, strict=True)
        hidden = reading.of([(lane, v.layer) for lane, v in zip(lanes, views, strict=True)])
        logits = _fitted(self._views.networks[role].head(hidden).to(self._heard), self._logits)
        heat = torch.tensor([view.temperature for view in views]).to(logits)
        self._heard[list(planes), list(rows)] = logits / heat[:, None]

    def _seen(self, terms: tuple[Term, ...], places: list[int]) -> Seen:
        rows = [self._rows[place] for place in places]
        return Seen(
            rows=rows,
            said={OWN: self._logits[places], **self._said(terms, places)},
            allowed=self._allowed[places],
            same={
                variant: torch.tensor(
                    [same(variant, row.request) for row in rows], device=self._logits.device
                )
                for variant in _VARIANTS
            },
            depths=self._views.depths,
        )

    def _said(self, terms: tuple[Term, ...], places: list[int]) -> dict[View, Tensor]:
        return {
            view: self._heard[plane, places]
            for plane, view in enumerate(self._planes)
            if any(view in term.views(self._views.depths) for term in terms)
        }

    def _called(self, seen: Mapping[tuple[Term, ...], Seen]) -> dict[Role, list[int]]:
        """For each other network, the places of the rows that ask for it now."""
        called: dict[Role, set[int]] = {}
        for terms, places in self._groups.items():
            for term in terms:
                flags = term.calls(seen[terms])
                asking = places if flags is None else _picked(places, flags)
                for role in roles(term) - {"model"}:
                    called.setdefault(role, set()).update(asking)
        return {role: sorted(places) for role, places in called.items() if places}

    def _weighed(self, seen: Mapping[tuple[Term, ...], Seen]) -> Said:
        """The weights of every row; a row without terms has those that change nothing."""
        zero = self._logits.new_zeros(len(self._rows))
        zero = zero if zero.dtype == torch.float64 else zero.float()
        base, own, head, doubt = zero + 1, zero.clone(), zero.clone(), zero + torch.inf
        weights, shares = (zero.repeat(len(self._planes), 1) for _ in range(2))
        led = [False] * len(self._rows)
        mixtures: dict[int, Tensor] = {}
        for terms, places in self._groups.items():
            before = seen[terms]
            scales = Scales(replace(before, said={**before.said, **self._said(terms, places)}))
            for term in terms:
                term.weigh(scales.seen, scales)
            base[places], head[places], doubt[places] = scales.base, scales.head, scales.doubt
            own[places] = scales.views.pop(OWN, zero[places])
            for given, kept in ((scales.views, weights), (scales.shares, shares)):
                for view, weight in given.items():
                    kept[self._planes.index(view), places] = weight
            for place, decided in zip(places, scales.decided.tolist(), strict=True):
                led[place] = decided
            mixtures |= {places[index]: mixed for index, mixed in scales.mixtures.items()}
        if not self._planes:
            return Said(self._logits, led, self._asked, mixtures=mixtures)
        contrast = Contrast(
            self._heard, weights, base, own, shares if shares.any() else None, self._sizes()
        )
        return Said(self._logits, led, self._asked, contrast, head, doubt, mixtures)

    def _sizes(self) -> Tensor | None:
        """Columns of each view; None where all have as many as the model."""
        vocab = self._logits.shape[1]
        sizes = [min(self._views.networks[view.role].head_size, vocab) for view in self._planes]
        return None if min(sizes) == vocab else torch.tensor(sizes, device=self._logits.device)


def _picked(places: list[int], flags: Tensor) -> list[int]:
    return [place for place, flag in zip(places, flags.tolist(), strict=True) if flag]


def _fitted(logits: Tensor, like: Tensor) -> Tensor:
    """As many columns as the model has: cut, or padded with what is never said."""
    missing = like.shape[1] - logits.shape[1]
    return torch.nn.functional.pad(logits, (0, missing), value=-torch.inf)
