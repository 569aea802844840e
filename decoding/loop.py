"""The decode loop: rows come and go; each turn is one ragged forward and one step.

A turn: [sampled, forced...] of every row in one forward; masks meanwhile; one step; advance.
Rows stand in slots 0..n-1 without gaps: a finished row's slot goes to the next request, or to the
last row where there is none.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from tether.decoding import step
from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Model, Network
from tether.decoding.plan import Choice, Inputs
from tether.decoding.request import Delta, Request, Result
from tether.decoding.row import Row
from tether.decoding.sampling import Controls
from tether.errors import LimitReached, UsageError
from tether.grammars.constraint import Mask

_PREFILL_CHUNK = 512  # bounds the attention mask of long prompts
_THREAD_AFTER_S = 0.004  # forwards shorter than this cost less than handing masks to a thread
_TIE = 2e-4  # final scores nearer than this are decided in float64 (see `_settle_ties`)
_TIE_PARAMETERS = 32e6  # largest network that is worth a float64 copy

OnDelta = Callable[[Delta], None]


class Loop:
    """Decodes requests on one model, many at a time.

    Args:
        model: From `tether.decoding.models.load`.
        slots: Rows decoded at once.
    """

    def __init__(self, model: Model, *, slots: int = 16) -> None:
        if slots < 1:
            raise UsageError(f"{slots} slots cannot hold a row.", hint="Use 1 or more.")
        self.model = model
        self.slots = slots
        self._refused = _refused_ids(model)

    def run(self, requests: Iterable[Request], on_delta: OnDelta | None = None) -> Iterator[Result]:
        """Decode requests, pulled only as slots come free; yield results as rows end.

        A row's text depends on its request alone, not on the rows beside it.
        """
        with ThreadPoolExecutor(1, "masks") as threads:
            batch = _Batch(self.model, self.slots, self._refused, threads, on_delta)
            source = iter(requests)
            yield from batch.fill(source)
            while batch.rows:
                batch.turn()
                yield from batch.retire(source)


class _Batch:
    """The rows of one run; row i of `rows` stands in slot i of the cache."""

    def __init__(
        self,
        model: Model,
        slots: int,
        refused: Tensor,
        threads: ThreadPoolExecutor,
        on_delta: OnDelta | None,
    ) -> None:
        self._model, self._network = model, model.network
        self._slots, self._refused = slots, refused
        self._free_mask = _packed(refused, model.vocabulary.num_words)
        self._threads, self._on_delta = threads, on_delta
        self._cache = SlotCache(model.network.num_layers, slots)
        self._settles = _settles_ties(model)
        self._forward_s = 0.0
        self._controlled: list[Row] = []
        self.rows: list[Row] = []

    def fill(self, source: Iterator[Request]) -> Iterator[Result]:
        """Take requests while slots are free; yield those that end at once."""
        while len(self.rows) < self._slots:
            slot = len(self.rows)
            row = yield from self._admit(source, slot)
            if row is None:
                return
            self.rows.append(row)

    def retire(self, source: Iterator[Request]) -> Iterator[Result]:
        """Yield finished rows; give their slots to new requests or to the last row."""
        slot = 0
        while slot < len(self.rows):
            row = self.rows[slot]
            if row.finish is None:
                slot += 1
                continue
            yield row.result()
            self._cache.lengths[slot] = 0
            fresh = yield from self._admit(source, slot)
            if fresh is not None:
                self.rows[slot] = fresh
                slot += 1
                continue
            last = self.rows.pop()
            if slot < len(self.rows):
                self._cache.move(len(self.rows), slot)
                self.rows[slot] = last

    def turn(self) -> None:
        """One forward over all rows' pending tokens and one step."""
        for slot, row in enumerate(self.rows):  # what a row took back
            self._cache.rollback(slot, self._cache.lengths[slot] - row.num_seen)
        masks = self._start_masks(self.rows)
        hidden = self._forward(0, self.rows, [row.pending for row in self.rows])
        self._choose(self.rows, hidden, masks)

    def _admit(self, source: Iterator[Request], slot: int) -> Generator[Result, None, Row | None]:
        """The next request that is still running after its first token, in `slot`; else None."""
        for request in source:
            row = Row(request, self._model.vocabulary, self._model.end_ids)
            self._check_length(row)
            if row.finish is None:
                masks = self._start_masks([row])
                hidden = self._prefill(slot, row)
                self._choose([row], hidden, masks)
            if row.finish is None:
                return row
            yield row.result()
            self._cache.lengths[slot] = 0
        return None

    def _check_length(self, row: Row) -> None:
        most = self._network.max_positions
        if not row.request.prompt:
            row.fail(UsageError("The prompt is empty.", hint="Give at least one token."))
        elif len(row.context) >= most:
            row.fail(
                UsageError(
                    f"The prompt has {len(row.context)} tokens; the model has {most} positions.",
                    hint="Shorten the prompt or choose a model with a longer context.",
                )
            )

    def _prefill(self, slot: int, row: Row) -> Tensor:
        tokens = row.pending
        for start in range(0, len(tokens), _PREFILL_CHUNK):
            hidden = self._forward(slot, [row], [tokens[start : start + _PREFILL_CHUNK]])
        return hidden

    def _forward(self, first: int, rows: Sequence[Row], pending: list[list[int]]) -> Tensor:
        """Hidden states [rows, width] after each row's last pending token."""
        began = time.perf_counter()
        counts = [len(tokens) for tokens in pending]
        network, width = self._network, max(counts)
        window = self._cache.window(first, counts, device=network.device, dtype=network.dtype)
        padded = [tokens + [0] * (width - len(tokens)) for tokens in pending]
        hidden = network.forward(torch.tensor(padded).to(network.device), self._cache, window)
        self._cache.commit(window)
        self._forward_s = time.perf_counter() - began
        return hidden

    def _start_masks(self, rows: Sequence[Row]) -> Future[Tensor | None]:
        """Masks int32 [rows, words]; on a thread where the forward is long enough to hide them."""
        if self._forward_s > _THREAD_AFTER_S and any(row.constrained for row in rows):
            return self._threads.submit(self._masks, rows)
        done: Future[Tensor | None] = Future()
        done.set_result(self._masks(rows))
        return done

    def _masks(self, rows: Sequence[Row]) -> Tensor | None:
        """None where no row is constrained."""
        if not any(row.constrained for row in rows):
            return None
        masks = np.empty((len(rows), self._model.vocabulary.num_words), dtype=np.int32)
        for mask, row in zip(masks, rows, strict=True):
            mask[:] = self._free_mask
            row.fill_mask(mask)
        return torch.from_numpy(masks)

    def _choose(self, rows: Sequence[Row], hidden: Tensor, masks: Future[Tensor | None]) -> None:
        """One step: a token for every row, taken by it."""
        logits = self._network.head(hidden)
        for row, token in zip(rows, self._tokens(rows, logits, masks.result()), strict=True):
            row.forwarded()
            if row.finish is None:
                row.take(token)
                self._check_position(row)
            if self._on_delta is not None:
                for delta in row.deltas():
                    self._on_delta(delta)

    def _tokens(self, rows: Sequence[Row], logits: Tensor, masks: Tensor | None) -> list[int]:
        controls = self._controls(rows)
        inputs = controls.inputs(rows, self._speakable(logits, masks), masks)
        choice = step.choose(controls.plan, inputs)
        tokens: list[int] = choice.token.tolist()
        if self._settles:
            self._settle_ties(rows, inputs, choice, tokens)
        return tokens

    def _check_position(self, row: Row) -> None:
        if row.finish is None and len(row.context) >= self._network.max_positions:
            row.fail(
                LimitReached(f"The model's {self._network.max_positions} positions are used up.")
            )

    def _settle_ties(
        self, rows: Sequence[Row], inputs: Inputs, choice: Choice, tokens: list[int]
    ) -> None:
        """Decide near-ties on logits recomputed alone in float64.

        The rounding of a forward depends on the shape of its batch, so two nearly equal scores
        could change places when a row runs in other company or after a resume.
        """
        assert choice.margin is not None, "the plan asks for it"
        for index, margin in enumerate(choice.margin.tolist()):
            temperature = rows[index].request.sampling.temperature
            if margin * min(1.0, temperature or 1.0) >= _TIE:
                continue
            logits = _exact_logits(self._network.exact(), rows[index].context)
            mask = None if inputs.mask is None else inputs.mask[index : index + 1]
            controls = Controls.of([rows[index].request.sampling], logits.device)
            alone = controls.inputs([rows[index]], self._speakable(logits, mask), mask)
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
            device = self._network.device
            self._held_controls = Controls.of(samplings, device, margin=self._settles)
            self._controlled = list(rows)
        return self._held_controls


def _exact_logits(network: Network, context: list[int]) -> Tensor:
    """Logits [1, vocab] after the whole context, in the exact network, without a kept cache."""
    cache = SlotCache(network.num_layers, 1)
    for start in range(0, len(context), _PREFILL_CHUNK):
        chunk = context[start : start + _PREFILL_CHUNK]
        window = cache.window(0, [len(chunk)], device=network.device, dtype=network.dtype)
        hidden = network.forward(torch.tensor([chunk]).to(network.device), cache, window)
        cache.commit(window)
    return network.head(hidden)


def _settles_ties(model: Model) -> bool:
    small = model.network.num_parameters <= _TIE_PARAMETERS
    return small and model.network.dtype in (torch.float32, torch.float64)


def _refused_ids(model: Model) -> Tensor:
    """int64 [n]: ids that free text never holds: padding, and special tokens but the end."""
    vocabulary = model.vocabulary
    empty = {token for token, text in enumerate(vocabulary.tokens) if not text}
    refused = (empty | set(vocabulary.special_ids)) - model.end_ids
    return torch.tensor(sorted(refused), dtype=torch.int64, device=model.network.device)


def _packed(refused: Tensor, num_words: int) -> Mask:
    """The mask of free text beside constrained rows, int32 [words]: all but `refused`."""
    bits = np.ones(num_words * 32, dtype=np.uint8)
    bits[refused.cpu().numpy()] = 0
    return np.packbits(bits, bitorder="little").view(np.int32)
