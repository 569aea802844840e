"""The fused step: one token for each row, equal to `reference.choose`, faster.

Two routes on the CPU. "gather": where the masks leave few tokens, only those are touched after the
one pass that normalises the row. "dense": the whole row, without a full sort: truncation looks at
the best tokens and falls back to all of them only where their mass does not suffice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tether.decoding import reference
from tether.decoding.noise import gumbel
from tether.decoding.plan import Choice, Inputs, Measures, Plan

Route = Literal["gather", "dense", "reference"]

_GATHER_SHARE = 8  # gather where at most 1/8 of the vocabulary is allowed in every row
_HEAD = 1024  # tokens that truncation looks at before it asks for all


def route_for_testing(plan: Plan, inputs: Inputs) -> Route:
    """Which route `choose` takes for these inputs."""
    reshaped = (inputs.contrast, inputs.evidence, inputs.head)
    if plan.typical_p or any(term is not None for term in reshaped):
        return "reference"
    if inputs.mask is None:
        return "dense"
    return (
        "gather"
        if _most_allowed(inputs.mask) * _GATHER_SHARE <= inputs.logits.shape[1]
        else "dense"
    )


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """Choose one token for each row.

    Args:
        plan: What is static.
        inputs: The tensors; none is changed. Every mask row must allow a token.

    Returns:
        The choice, on the device of the logits; equal to `reference.choose` within rounding.
    """
    route = route_for_testing(plan, inputs)
    if route == "reference":
        choice = reference.choose(plan, inputs)
        return choice if plan.measured else replace(choice, measures=None)
    logits = inputs.logits.float() if inputs.logits.dtype != torch.float64 else inputs.logits
    # A shift of a row changes no choice; the penalty alone depends on where zero is.
    if plan.measured or inputs.seen is not None:
        logits = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    ids: Tensor | None = None
    on_mask = logits
    if inputs.mask is not None:
        if route == "gather":
            ids = _allowed_ids(inputs.mask)
            on_mask = logits.gather(1, ids.clamp(min=0)).masked_fill_(ids < 0, -torch.inf)
        else:
            on_mask = logits.masked_fill(~_unpack(inputs.mask, logits.shape[1]), -torch.inf)
    column, log_q, margin = _pick(plan, _reweigh(on_mask, ids, inputs), ids, inputs)
    token = column if ids is None else ids.gather(1, column[:, None])[:, 0]
    measures = _measure(on_mask, column, log_q) if plan.measured else None
    return Choice(token, margin, measures)


def _measure(on_mask: Tensor, column: Tensor, log_q: Tensor) -> Measures:
    """What is known of the choice, from normalised log-probabilities on the mask."""
    log_z = torch.logsumexp(on_mask, dim=1)
    return Measures(
        log_q=log_q,
        log_p=on_mask.gather(1, column[:, None])[:, 0],
        log_z=log_z,
        entropy=reference.entropy(on_mask - log_z[:, None]),
    )


def _pick(
    plan: Plan, scores: Tensor, ids: Tensor | None, inputs: Inputs
) -> tuple[Tensor, Tensor, Tensor]:
    """Column of the chosen token, its log q and the margin, each [rows]."""
    if not plan.sampled:
        column, margin = _best(scores)
        return column, torch.zeros_like(margin), margin
    shaped, columns = _shape(plan, scores, inputs)
    if ids is not None:
        tokens = ids if columns is None else ids.gather(1, columns)
    else:
        tokens = torch.arange(shaped.shape[1], device=scores.device)[None, :]
        tokens = tokens if columns is None else columns
    greedy = inputs.temperature == 0
    log_q = torch.log_softmax(shaped, dim=1) if plan.measured else shaped
    plain = scores if columns is None else scores.gather(1, columns)
    noisy = log_q + gumbel(inputs.noise, tokens, scores.dtype)
    best, margin = _best(torch.where(greedy[:, None], plain, noisy))
    chosen = log_q.gather(1, best[:, None])[:, 0]
    column = best if columns is None else columns.gather(1, best[:, None])[:, 0]
    return column, chosen.masked_fill(greedy, 0.0), margin


def _shape(plan: Plan, scores: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
    """Scores after temperature and truncation, and their columns if only the best ones are left."""
    if not plan.truncated or scores.shape[1] <= _HEAD:
        return reference.shape(plan, scores, inputs), None
    before, after = reference.divisors(inputs, scores.dtype)
    head = scores.topk(_HEAD, dim=1)
    best = head.values[:, :1]
    ranked = (head.values - best) / before
    total = torch.logsumexp((scores - best) / before, dim=1)
    cut = reference.threshold(ranked, total, inputs)
    decided = (cut > ranked[:, -1]) | (inputs.temperature == 0)
    if not bool(decided.all()):
        return reference.shape(plan, scores, inputs), None
    return ranked.masked_fill(ranked < cut[:, None], -torch.inf) / after, head.indices


def _best(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Arg max (ties: the first column) and its lead over the second best, each [rows]."""
    column = scores.argmax(dim=1)  # `max` may name any of equal scores
    best = scores.gather(1, column[:, None])
    others = scores.scatter(1, column[:, None], -torch.inf)
    return column, best[:, 0] - others.amax(dim=1)


def _reweigh(scores: Tensor, ids: Tensor | None, inputs: Inputs) -> Tensor:
    """Bias and repetition penalty on the columns at hand."""
    if ids is None:
        return reference.penalise(reference.add_bias(scores, inputs), inputs)
    if inputs.bias_ids is not None and inputs.bias is not None:
        same = ids[:, :, None] == inputs.bias_ids[:, None, :]
        scores = scores + (same * inputs.bias[:, None, :].to(scores.dtype)).sum(dim=2)
    if inputs.seen is not None:
        is_seen = (ids[:, :, None] == inputs.seen[:, None, :]).any(dim=2)
        penalty = inputs.penalty[:, None].to(scores.dtype)
        lowered = torch.where(scores > 0, scores / penalty, scores * penalty)
        scores = torch.where(is_seen, lowered, scores)
    return scores


def _most_allowed(mask: Tensor) -> int:
    """The largest number of allowed tokens in a row."""
    words = mask.cpu().numpy().view(np.uint32)
    return int(np.bitwise_count(words).sum(axis=1).max())


def _allowed_ids(mask: Tensor) -> Tensor:
    """int64 [rows, most allowed], the allowed tokens in rising order, padded with -1."""
    words = mask.cpu().numpy()
    of_row, word = np.nonzero(words)  # only words with a set bit are unpacked
    octets = np.ascontiguousarray(words[of_row, word]).view(np.uint8).reshape(-1, 4)
    place, bit = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
    rows, tokens = of_row[place], word[place] * 32 + bit
    counts = np.bincount(rows, minlength=mask.shape[0])
    ids = np.full((mask.shape[0], counts.max()), -1, dtype=np.int64)
    ids[np.arange(ids.shape[1]) < counts[:, None]] = tokens
    return torch.from_numpy(ids).to(mask.device)


def _unpack(mask: Tensor, vocab: int) -> Tensor:
    """int32 [rows, words] -> bool [rows, vocab]."""
    if mask.device.type != "cpu":
        return reference.unpack(mask, vocab)
    return torch.from_numpy(_bits(mask, vocab)).view(torch.bool)


def _bits(mask: Tensor, vocab: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """uint8 [rows, vocab] of zeros and ones; words are little-endian on every machine we run on."""
    octets = mask.cpu().contiguous().numpy().view(np.uint8)
    return np.unpackbits(octets, axis=1, count=vocab, bitorder="little")
