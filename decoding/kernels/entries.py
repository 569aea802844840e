"""Evidence and bias, which speak of a few tokens: sorted, so that a tile finds its own at once."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.plan import Inputs

ADDED, MIXED, BIAS = (tl.constexpr(kind) for kind in range(3))
_BLOCK = tl.constexpr(256)


def entries_of(inputs: Inputs, tiles: int, size: int) -> dict[str, Any]:
    """The fields of `Batch` that speak of single tokens; tiles have `size` tokens each."""
    lists = {kind: pair for kind, pair in _lists(inputs).items() if pair[0].shape[1]}
    found: dict[str, Any] = {"taken": _taken(inputs, lists.get(MIXED.value))}
    if not lists:
        return found
    ids, order = torch.cat([ids for ids, _ in lists.values()], dim=1).sort(dim=1, stable=True)
    amounts = torch.cat([amounts.float() for _, amounts in lists.values()], dim=1)
    kinds = torch.cat([torch.full_like(ids, kind) for kind, (ids, _) in lists.items()], dim=1)
    edges = (torch.arange(tiles + 1, device=ids.device) * size).expand(len(ids), -1)
    return found | {
        "ids": ids,
        "amounts": amounts.gather(1, order),
        "kinds": kinds.gather(1, order),
        "starts": torch.searchsorted(ids, edges.contiguous()),
        "entries": ids.shape[1],
    }


def _lists(inputs: Inputs) -> dict[int, tuple[Tensor, Tensor]]:
    """Ids and amounts by kind, as far as there are any."""
    lists, evidence = {}, inputs.evidence
    if evidence is not None:
        lists[ADDED.value] = (evidence.added_ids, evidence.added)
        lists[MIXED.value] = (evidence.mixed_ids, evidence.mixed)
    if inputs.bias_ids is not None and inputs.bias is not None:
        lists[BIAS.value] = (inputs.bias_ids, inputs.bias)
    return lists


def _taken(inputs: Inputs, mixed: tuple[Tensor, Tensor] | None) -> Tensor | None:
    """The probability of each row that mixtures take; None where none can."""
    shares = None if inputs.contrast is None else inputs.contrast.shares
    if mixed is None and shares is None:
        return None
    taken = torch.zeros_like(inputs.penalty)
    if mixed is not None:
        ids, amounts = (part.contiguous() for part in mixed)
        _sum_mixed[(1, len(ids))](ids, amounts, taken, ids.shape[1])
    for share in [] if shares is None else shares:
        taken = taken + share.float()
    return taken


@triton.jit
def _sum_mixed(ids: tl.tensor, amounts: tl.tensor, taken: tl.tensor, width: tl.tensor) -> None:
    """Here and not in torch, whose order of summing may depend on the number of rows."""
    row = tl.program_id(1).to(tl.int64)
    sums = tl.zeros((_BLOCK,), tl.float32)
    for start in range(0, width, _BLOCK):
        column = start + tl.arange(0, _BLOCK)
        real = tl.load(ids + row * width + column, mask=column < width, other=-1) >= 0
        amount = tl.load(amounts + row * width + column, mask=real, other=0.0)
        sums += amount.to(tl.float32)
    tl.store(taken + row, tl.sum(sums, 0))
