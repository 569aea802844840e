"""The rows of one run of the loop, turn by turn.

A turn: [sampled, forced..., drafted...] of every row in one forward; masks meanwhile; one step, and
as many more as drafts answer; advance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from tether.decoding.admission import Admission
from tether.decoding.chooser import Chooser
from tether.decoding.contrast import Said
from tether.decoding.drafts.ahead import Ahead
from tether.decoding.drafts.drafting import Drafting
from tether.decoding.lane import Reading
from tether.decoding.listen import listen, rests_on
from tether.decoding.masks import Masks
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Result
from tether.decoding.row import Row
from tether.decoding.search.extract import Extractor, check_extract
from tether.decoding.search.vote import check_poll, elect, polls
from tether.decoding.terms.lead import check_free
from tether.decoding.terms.term import Role
from tether.decoding.views import Views
from tether.decoding.waiting import Waiting
from tether.errors import TetherError, UsageError

OnDelta = Callable[[Delta], None]


class Batch:
    """See the module.

    Attributes:
        rows: Those that run.

    Args:
        models: By what they are to the rows.
        views: Hold the rows.
        slots: Rows at once.
        refused: int64 [n], ids that free text never holds.
        threads: Where masks are made while a forward runs.
        on_delta: Told of text as it comes.
        drafting: Drafts what may come next.
    """

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
        self._slots, self._views = slots, views
        self._masks = Masks(self._model.vocabulary.num_words, refused, threads)
        self._chooser = Chooser(models, views, refused)
        self._drafting, self._on_delta = drafting, on_delta
        self._extractor = Extractor(self._model.network)
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
        masks = self._masks.start(self.rows)
        began = time.perf_counter()
        reading = self._views.run(ahead.drafts)
        self._masks.forward_s = time.perf_counter() - began
        allowed = masks.result()
        logits = ahead.read(reading, allowed)
        said = self._choose(self.rows, reading, allowed, logits, ahead)
        while rows := ahead.answered():
            allowed = self._masks.of(rows)
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
            return elect(request, self._networks, self._unchecked, self._masks.of)
        return row

    def _unchecked(self, request: Request) -> Row:
        return Row(request, self._model.vocabulary, self._model.end_ids)

    def _begin(self, rows: Sequence[Row]) -> None:
        """The first tokens of rows."""
        for row in rows:
            self._extractor.quote(row)
        if any(row.finish is not None for row in rows):  # whoever quotes begins alone
            return
        masks = self._masks.start(rows)
        num_tokens, pace = self._views.num_pending(rows), self._drafting.pace
        began, timed = time.perf_counter(), pace.clock()
        reading = self._views.start(rows)
        self._masks.forward_s = time.perf_counter() - began
        pace.timed(len(rows), num_tokens, 0, pace.clock() - timed)
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
        tokens = self._chooser.tokens(rows, said, allowed)
        if ahead is not None:
            ahead.settle(rows, tokens, self._chooser.speakable(said.logits, allowed), allowed)
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
