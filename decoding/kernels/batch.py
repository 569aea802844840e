"""What the kernels read: the step's inputs as pointers and sizes, and how a row is cut up.

A row is cut into tiles of a fixed size, whatever the number of rows: a tile's partial sums, and
the order they are joined in, depend on the row alone, so a row comes out the same in every batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.entries import entries_of
from tether.decoding.kernels.seen import seen_bits
from tether.decoding.plan import Contrast, Inputs, Plan

WORDS = tl.constexpr(128)  # mask words in a tile; 32 tokens each
# Contraction of a product and a sum would round once where the definition rounds twice.
OPTIONS = {"num_warps": 8, "enable_fp_fusion": False}


class Batch(NamedTuple):
    """One step's tensors and sizes, as every kernel takes them; what is None is compiled away.

    Flat, because Triton before 3.9 does not take None in a tuple of tuples; without the number of
    rows, which every grid knows, because each kind of number would be compiled for anew.

    Attributes:
        vocab: Tokens.
        tiles: Tiles of a row.
        padded: That number raised to a power of two, when compiled.
        words: Mask words of a row.
        logits: float [rows, vocab].
        mask: int32 [rows, words].
        seen: int32 [rows, words], bits of the tokens the penalty applies to.
        penalty: float32 [rows].
        head: float32 [rows].
        temperature: float32 [rows]; None where every row is greedy.
        early: bool [rows].
        noise: int64 [rows].
        num_views: How many, when compiled.
        views: float [views, rows, vocab]; this and the next five as in `Contrast`.
        weights: float32 [views, rows].
        base: float32 [rows].
        own: float32 [rows].
        shares: float32 [views, rows].
        sizes: int64 [views].
        taken: float32 [rows], the probability that mixtures take from the model.
        ids: int64 [rows, entries], tokens that evidence and bias speak of, rising; padding of -1
            comes first.
        amounts: float32 [rows, entries].
        kinds: int32 [rows, entries]: `ADDED`, `MIXED` or `BIAS`.
        starts: int64 [rows, tiles + 1], where a tile's entries begin.
        entries: How many a row has room for.
    """

    vocab: Any
    tiles: Any
    padded: Any
    words: Any
    logits: Any
    mask: Any
    seen: Any
    penalty: Any
    head: Any
    temperature: Any
    early: Any
    noise: Any
    num_views: Any
    views: Any = None
    weights: Any = None
    base: Any = None
    own: Any = None
    shares: Any = None
    sizes: Any = None
    taken: Any = None
    ids: Any = None
    amounts: Any = None
    kinds: Any = None
    starts: Any = None
    entries: Any = None

    @property
    def grid(self) -> tuple[int, int]:
        """A program for every tile of every row."""
        return self.tiles, self.logits.shape[0]

    @property
    def row_grid(self) -> tuple[int, int]:
        """A program for every row."""
        return 1, self.logits.shape[0]

    def partials(self, quantities: int = 1) -> Tensor:
        """Room for what each tile finds: float32 [quantities, rows, tiles]."""
        shape = (quantities, self.logits.shape[0], self.tiles)
        return torch.empty(shape, dtype=torch.float32, device=self.logits.device)

    def per_row(self, quantities: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        """Room for what is known of a row: [quantities, rows]."""
        shape = (quantities, self.logits.shape[0])
        return torch.empty(shape, dtype=dtype, device=self.logits.device)


def batch_of(plan: Plan, inputs: Inputs) -> Batch:
    """The kernels' view of a step; no tensor of [rows, vocab] is made."""
    vocab = inputs.logits.shape[1]
    words = triton.cdiv(vocab, 32)
    tiles = triton.cdiv(words, WORDS.value)
    return Batch(
        vocab=vocab,
        tiles=tiles,
        padded=tl.constexpr(triton.next_power_of_2(tiles)),
        words=words,
        logits=inputs.logits.contiguous(),
        mask=None if inputs.mask is None else inputs.mask.contiguous(),
        seen=None if inputs.seen is None else seen_bits(inputs.seen, words),
        penalty=inputs.penalty,
        head=None if inputs.head is None else inputs.head.float(),
        temperature=inputs.temperature if plan.sampled else None,
        early=inputs.early,
        noise=inputs.noise,
        num_views=tl.constexpr(0 if inputs.contrast is None else len(inputs.contrast.views)),
        **_views(inputs.contrast),
        **entries_of(inputs, tiles, 32 * WORDS.value),
    )


def _views(contrast: Contrast | None) -> dict[str, Tensor | None]:
    """The fields of `Contrast`, in the kernels' types."""
    if contrast is None:
        return {}
    return {
        "views": contrast.views.contiguous(),
        "weights": contrast.weights.float().contiguous(),
        "base": contrast.base.float(),
        "own": contrast.own.float(),
        "shares": None if contrast.shares is None else contrast.shares.float().contiguous(),
        "sizes": contrast.sizes,
    }
