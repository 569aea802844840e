"""The step of one row, start to end, and of a batch of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch

from tether.decoding.cpu import greedy
from tether.decoding.cpu.batch import Batch
from tether.decoding.cpu.mass import truncate
from tether.decoding.cpu.race import draw, first_two
from tether.decoding.cpu.row import Row
from tether.decoding.cpu.terms import reshape
from tether.decoding.cpu.tokens import Tokens
from tether.decoding.plan import Choice, Inputs, Measures, Plan

_SHARED_OUT = 1 << 18  # scores in a batch that are worth handing its rows to threads


class _Chosen(NamedTuple):
    """What the step of one row gives; fields as in `Choice` and `Measures`."""

    token: int
    margin: float
    log_q: float = 0.0
    log_p: float = 0.0
    log_z: float = 0.0
    entropy: float = 0.0


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """As `tether.decoding.reference.choose`, within rounding; all tensors on the CPU."""
    if greedy.is_small(plan, inputs) and (best := greedy.choose(plan, inputs)) is not None:
        return best
    one = partial(_choose, plan, Batch(plan, inputs))
    count, vocab = inputs.logits.shape
    threads = torch.get_num_threads()
    shared = threads > 1 and count > 1 and count * vocab >= _SHARED_OUT
    chosen = _pool(threads).map(one, range(count)) if shared else map(one, range(count))
    return _collect(plan, chosen, inputs.logits.dtype)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "step")


def _collect(plan: Plan, chosen: Iterable[_Chosen], dtype: torch.dtype) -> Choice:
    """The rows' choices as tensors [rows]."""
    fields = list(zip(*chosen, strict=True))
    kind = torch.float64 if dtype == torch.float64 else torch.float32
    margin = torch.tensor(fields[1], dtype=kind) if plan.margin else None
    measures = None
    if plan.measured:
        measures = Measures(*(torch.tensor(values, dtype=kind) for values in fields[2:]))
    return Choice(torch.tensor(fields[0]), margin, measures)


@np.errstate(all="ignore")  # infinities are part of the game, and what is no number is refused
def _choose(plan: Plan, batch: Batch, index: int) -> _Chosen:
    row = batch.row(index)
    if row.only is not None:
        return _measured(plan, row, row.only, math.inf, 0.0)
    terms = batch.terms(index)
    tokens = row.tokens if terms is None else reshape(terms, row)
    tokens = _edit(batch, index, row, tokens, normal=terms is not None)
    knobs = batch.knobs[index]
    if knobs.temperature == 0:
        token, margin = _greedy(plan, tokens)
        return _measured(plan, row, token, margin, 0.0)
    kept = truncate(tokens, knobs) if plan.truncated else tokens
    token, margin = draw(kept, knobs.temperature, batch.states[index])
    log_q = _log_share(kept, knobs.temperature, token) if plan.measured else 0.0
    return _measured(plan, row, token, margin, log_q)


def _edit(batch: Batch, index: int, row: Row, tokens: Tokens, *, normal: bool) -> Tokens:
    """Bias, then repetition penalty; the latter on log-probabilities (`normal`: they are)."""
    bias_ids, bias = batch.bias(index)
    seen, penalty = batch.penalty(index)
    if not len(bias_ids) and not len(seen):
        return tokens
    scores = tokens.scores.copy() if normal or not len(seen) else row.log_p(tokens)
    places, held = tokens.places(bias_ids)
    scores[places[held]] += bias[held].astype(scores.dtype)
    places, held = tokens.places(seen)
    before = scores[places[held]]
    scores[places[held]] = np.where(before > 0, before / penalty, before * penalty)
    return Tokens(scores, tokens.ids, tokens.words)


def _greedy(plan: Plan, tokens: Tokens) -> tuple[int, float]:
    """The best token, and its lead where it is asked for."""
    if not plan.margin and tokens.ids is None:
        token = int(tokens.scores.argmax())
        if tokens.allows(token):
            return token, 0.0
    found = tokens if tokens.words is None else tokens.leaders()
    return first_two(found.ids, found.scores)


def _log_share(tokens: Tokens, temperature: float, token: int) -> float:
    """Log-probability of a token among these."""
    scores, masses = tokens.masses(temperature)
    place = token if tokens.ids is None else int(np.searchsorted(tokens.ids, token))
    return float(scores[place]) - math.log(float(masses.sum()))


def _measured(plan: Plan, row: Row, token: int, margin: float, log_q: float) -> _Chosen:
    if not plan.measured:
        return _Chosen(token, margin)
    log_z, entropy = row.on_mask()
    log_p = float(row.logits[token]) - row.total
    return _Chosen(token, margin, log_q, log_p, log_z, entropy)
