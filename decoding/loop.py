"""The decode loop: rows come and go; each turn is one ragged forward and one step.

A turn: [sampled, forced...] of every row in one forward; masks meanwhile; one step; advance.
A finished row makes room for the next request, whose prompt is read between turns.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tether.decoding import step, ties
from tether.decoding.admission import Admission
from tether.decoding.contrast import Said
from tether.decoding.drafts.ahead import Ahead
from tether.decoding.drafts.drafting import Drafting
from tether.decoding.healing import healed
from tether.decoding.lanes import Reading
from tether.decoding.listen import listen, rests_on
from tether.decoding.models.base import Model
from tether.decoding.plan import Inputs
from tether.decoding.request import Delta, Request, Result
from tether.decoding.row import Row
from tether.decoding.sampling import Controls
from tether.decoding.search.extract import Extractor, check_extract
from tether.decoding.search.vote import check_poll, elect, polls
from tether.decoding.terms.lead import check_free
from tether.decoding.terms.term import Role
from tether.decoding.views import Views
from tether.decoding.waiting import Waiting
from tether.errors import ModelError, TetherError, UsageError
from tether.grammars.constraint import Mask

# Shorter forwards, or masks made faster, cost less than handing masks to a thread.
_THREAD_AFTER_S, _THREAD_FROM_S = 0.004, 0.001

OnDelta = Callable[[Delta], None]


class Loop:
    """Decodes requests on one model, many at a time.

    Args:
        model: From `tether.decoding.models.load`.
        slots: Rows decoded at once.
        others: Models that terms of contrast listen to or that draft; they share the model's
            vocabulary.
        ahead: Requests that are pulled at a time, to be run in the order of their lengths.

    Raises:
        UsageError: There are no slots.
        ModelError: Another model has other tokens.
    """

    def __init__(
        self,
        model: Model,
        *,
        slots: int = 16,
        others: Mapping[Role, Model] | None = None,
        ahead: int = 1,
    ) -> None:
        if slots < 1:
            raise UsageError(f"{slots} slots cannot hold a row.", hint="Use 1 or more.")
        self.model = model
        self.slots, self.ahead = slots, ahead
        self._spare: list[Views] = []
        self._models: dict[Role, Model] = {"model": model, **(others or {})}
        for role, other in self._models.items():
            _check_vocabulary(model, other, role)
        self._refused = torch.tensor(
            sorted(model.refused_ids()), dtype=torch.int64, device=model.network.device
        )
        self._drafting = Drafting(model, self._models.pop("drafter", None))

    def run(self, requests: Iterable[Request], on_delta: OnDelta | None = None) -> Iterator[Result]:
        """Decode requests, pulled only as slots come free; yield results as rows end.

        A row's text depends on its request alone, not on the rows beside it. `requests` is asked
        again after every turn that leaves room: where requests come in at any time, it ends while
        there are none and goes on when there are.
        """
        with ThreadPoolExecutor(1, "masks") as threads, self._lent_views() as views:
            batch = _Batch(
                self._models, views, self.slots, self._refused, threads, on_delta, self._drafting
            )
            waiting = Waiting(map(self._ready, requests), self.ahead)
            admission = batch.admission(waiting)
            yield from batch.admit(admission)
            while batch.rows:
                batch.turn()
                yield from batch.retire()
                yield from batch.admit(admission)
        self._drafting.keep()

    @contextmanager
    def _lent_views(self) -> Iterator[Views]:
        """Views without rows; those of an earlier run, whose beginnings are still held, if any."""
        networks = {role: model.network for role, model in self._models.items()}
        views = self._spare.pop() if self._spare else Views(networks, self.slots)
        try:
            yield views
        finally:
            views.close_all()
            self._spare.append(views)

    def _ready(self, request: Request) -> Request:
        """The request, healed; what stands on the places or first choices of a row is left."""
        if polls(request) or request.sources or request.extract:
            return request
        return healed(request, self.model.vocabulary)


class _Batch:
    """The rows of one run."""

    def __init__(
        self,
        models: Mapping[Role, Model],
        views: Views,
        slots: int,
        refused: Tensor,
        threads: ThreadPoolExecutor,
        on_delta: OnDelta | None,
        drafting: Drafting,
    ) -> None:
        self._model = models["model"]
        self._networks = {role: model.network for role, model in models.items()}
        self._slots, self._refused = slots, refused
        self._free_mask = _packed(refused, self._model.vocabulary.num_words)
        self._threads, self._on_delta = threads, on_delta
        self._drafting = drafting
        self._views = views
        self._extractor = Extractor(self._model.network)
        self._settles = all(map(ties.settles, models.values()))
        self._forward_s = self._masks_s = 0.0
        self._controlled: list[Row] = []
        self.rows: list[Row] = []

    def admission(self, waiting: Waiting) -> Admission:
        """What brings requests to their first tokens."""
        return Admission(waiting, self._views, self._slots, self._row, self._begin)

    def admit(self, admission: Admission) -> Iterator[Result]:
        """Take rows in while slots are free; yield those that end at once."""
        for row in admission.admit(self.rows):
            self._drafting.forget(row)
            yield row.result()

    def retire(self) -> Iterator[Result]:
        """Yield finished rows."""
        for row in self.rows:
            row.check_cancelled()
        ended = [row for row in self.rows if row.finish is not None]
        self.rows[:] = [row for row in self.rows if row.finish is None]
        for row in ended:
            self._views.close(row)
            self._drafting.forget(row)
            yield row.result()

    def turn(self) -> None:
        """One forward over all rows and what is drafted, and as many steps as it answers."""
        ahead = Ahead(self._drafting, self.rows, self._views)
        masks = self._start_masks(self.rows)
        began = time.perf_counter()
        reading = self._views.run(ahead.drafts)
        self._forward_s = time.perf_counter() - began
        ahead.timed()
        allowed = masks.result()
        logits = ahead.read(reading, allowed)
        said = self._choose(self.rows, reading, allowed, logits, ahead)
        while rows := ahead.answered():
            allowed = self._masks(rows)
            logits = ahead.answers(rows, allowed)
            if logits is None:
                break
            here = listen(self._views, rows, ahead.reading(rows, reading), allowed, logits)
            for row, views, led in zip(rows, here.asked, here.led, strict=True):
                row.heard(views, led=led)
            self._say(rows, here, allowed, ahead)
        ahead.end(reading, said.logits)

    def _row(self, request: Request) -> Row:
        """The row of a request; ended where it cannot be run, or where a vote has decided it."""
        row = self._unchecked(request)
        self._check(row)
        if row.finish is None and polls(request):
            return elect(request, self._networks, self._unchecked, self._masks)
        return row

    def _unchecked(self, request: Request) -> Row:
        return Row(request, self._model.vocabulary, self._model.end_ids)

    def _begin(self, rows: Sequence[Row]) -> None:
        """The first tokens of rows."""
        for row in rows:
            self._extractor.quote(row)
        if any(row.finish is not None for row in rows):  # whoever quotes begins alone
            return
        masks = self._start_masks(rows)
        num_tokens, pace = self._views.num_pending(rows), self._drafting.pace
        began, timed = time.perf_counter(), pace.clock()
        reading = self._views.start(rows)
        self._forward_s = time.perf_counter() - began
        pace.timed(num_tokens, pace.clock() - timed)
        self._choose(rows, reading, masks.result())

    def _check(self, row: Row) -> None:
        """Fail a row that cannot be run."""
        most = self._model.network.max_positions
        if not row.request.prompt:
            row.fail(UsageError("The prompt is empty.", hint="Give at least one token."))
        elif len(row.context) >= most:
            row.fail(
                UsageError(
                    f"The prompt has {len(row.context)} tokens; the model has {most} positions.",
                    hint="Shorten the prompt or choose a model with a longer context.",
                )
            )
        try:
            self._views.check(row.request)
            check_poll(row.request)
            check_extract(row.request)
            check_free(row.request)
            self._drafting.check(row.request)
        except TetherError as error:
            row.fail(error)

    def _start_masks(self, rows: Sequence[Row]) -> Future[Tensor | None]:
        """Masks int32 [rows, words]; on a thread where the forward is long enough to hide them."""
        if self._forward_s > _THREAD_AFTER_S and self._masks_s > _THREAD_FROM_S:
            return self._threads.submit(self._masks, rows)
        done: Future[Tensor | None] = Future()
        done.set_result(self._masks(rows))
        return done

    def _masks(self, rows: Sequence[Row]) -> Tensor | None:
        """None where no row is constrained, has terms or sources, which know no refused ids."""
        if not any(row.constrained or row.request.terms or row.request.sources for row in rows):
            return None
        began = time.thread_time()
        masks = np.empty((len(rows), self._model.vocabulary.num_words), dtype=np.int32)
        for mask, row in zip(masks, rows, strict=True):
            mask[:] = self._free_mask
            row.fill_mask(mask)
        self._masks_s = time.thread_time() - began
        return torch.from_numpy(masks)

    def _choose(
        self,
        rows: Sequence[Row],
        reading: Reading,
        allowed: Tensor | None,
        logits: Tensor | None = None,
        ahead: Ahead | None = None,
    ) -> Said:
        """One step after a forward: a token for every row, taken by it."""
        said = listen(self._views, rows, reading, allowed, logits)
        for row, views, led in zip(rows, said.asked, said.led, strict=True):
            row.forwarded(views, led=led)
        self._say(rows, said, allowed, ahead)
        return said

    def _say(
        self, rows: Sequence[Row], said: Said, allowed: Tensor | None, ahead: Ahead | None = None
    ) -> None:
        """A token for every row, taken by it."""
        tokens = self._tokens(rows, said, allowed)
        if ahead is not None:
            ahead.settle(rows, tokens, self._speakable(said.logits, allowed), allowed)
        for place, clues in said.clues.items():
            rows[place].credit(rests_on(clues, tokens[place]))
        for row, token in zip(rows, tokens, strict=True):
            if row.finish is None:
                row.take(token)
            self._extractor.quote(row)
            if row.finish is None:
                self._views.check_room(row)
            if self._on_delta is not None:
                for delta in row.deltas():
                    self._on_delta(delta)
        for place, mixture in said.mixtures.items():
            if rows[place].free:
                self._views.soften(rows[place], mixture)

    def _tokens(self, rows: Sequence[Row], said: Said, masks: Tensor | None) -> list[int]:
        controls = self._controls(rows)
        inputs = self._inputs(controls, rows, said, masks)
        choice = step.choose(controls.plan, inputs)
        tokens: list[int] = choice.token.tolist()
        if self._settles:
            self._settle_ties(rows, inputs, ties.firmness(inputs, choice, said), tokens)
        return tokens

    def _inputs(
        self, controls: Controls, rows: Sequence[Row], said: Said, masks: Tensor | None
    ) -> Inputs:
        inputs = controls.inputs(rows, self._speakable(said.logits, masks), masks)
        if said.contrast is None and said.evidence is None:
            return inputs
        return replace(inputs, contrast=said.contrast, head=said.head, evidence=said.evidence)

    def _settle_ties(
        self, rows: Sequence[Row], inputs: Inputs, firmness: Tensor, tokens: list[int]
    ) -> None:
        """Decide near-ties on logits recomputed alone in float64, views included.

        The rounding of a forward depends on the shape of its batch, so two nearly equal scores
        could change places when a row runs in other company or after a resume. What a row was fed
        beside its tokens cannot be recomputed from them: such a row is left as it is.
        """
        for index, margin in enumerate(firmness.tolist()):
            row = rows[index]
            temperature = row.request.sampling.temperature
            if margin * min(1.0, temperature or 1.0) >= ties.NEAR or self._views.softened(row):
                continue
            mask = None if inputs.mask is None else inputs.mask[index : index + 1].cpu()
            said = ties.said_exactly(self._networks, row, mask)
            controls = Controls.of([row.request.sampling], said.logits.device)
            alone = self._inputs(controls, [row], said, mask)
            tokens[index] = int(step.choose(controls.plan, alone).token)

    def _speakable(self, logits: Tensor, masks: Tensor | None) -> Tensor:
        """Logits without the ids that free text never holds; masks, where there are any, do it."""
        if masks is not None or not len(self._refused):
            return logits
        return logits.index_fill(1, self._refused, -torch.inf)

    def _controls(self, rows: Sequence[Row]) -> Controls:
        """The rows' settings as tensors, made again only when the set of rows changes."""
        same = len(rows) == len(self._controlled) and all(map(operator.is_, rows, self._controlled))
        if not same:
            samplings = [row.request.sampling for row in rows]
            device = self._model.network.device
            self._held_controls = Controls.of(samplings, device, margin=self._settles)
            self._controlled = list(rows)
        return self._held_controls


def _check_vocabulary(model: Model, other: Model, role: Role) -> None:
    ours, theirs = model.vocabulary.tokens, other.vocabulary.tokens
    shared = min(len(ours), len(theirs))
    if list(ours[:shared]) != list(theirs[:shared]):
        raise ModelError(
            f"The {role} {other.name} has other tokens than the model {model.name}.",
            hint="They are compared token by token: take a model with the same tokenizer.",
        )


def _packed(refused: Tensor, num_words: int) -> Mask:
    """The mask of free text beside constrained rows, int32 [words]: all but `refused`."""
    bits = np.ones(num_words * 32, dtype=np.uint8)
    bits[refused.cpu().numpy()] = 0
    return np.packbits(bits, bitorder="little").view(np.int32)
