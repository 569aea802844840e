"""A causal LM as the loop sees it: forward over slots, head on chosen rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.window import Window

if TYPE_CHECKING:
    from tether.grammars.vocabulary import Vocabulary


SMALL = 32e6
"""Parameters up to which a network is worth a float64 copy, to settle near-ties (`ties.py`)."""

Head = tuple[int, int]
"""An attention head: its layer and its number there."""


@dataclass(slots=True)
class Watch:
    """Attention heads to look over the shoulder of, and what they looked at.

    Attributes:
        heads: Whose attention is kept.
        attention: float [heads, reads, length], filled by `Network.forward`: how much each row's
            last certain token, then every drafted one, looks at the columns that it sees; zero
            elsewhere.
    """

    heads: tuple[Head, ...]
    attention: Tensor | None = None

    def at(self, layer: int) -> list[int]:
        """The heads of a layer."""
        return [head for place, head in self.heads if place == layer]

    def keep(self, looks: Tensor) -> None:
        """Append those of one layer, [heads of the layer, reads, length]."""
        kept = self.attention
        self.attention = looks if kept is None else torch.cat([kept, looks])


def looks(
    query: Tensor,
    keys: Tensor,
    heads: Sequence[int],
    window: Window,
    mask: Tensor | None,
    scale: float | None = None,
) -> Tensor:
    """What chosen heads of one layer look at, from each row's last certain token and its draft.

    Args:
        query: [rows, heads, q, dim], rotated.
        keys: [rows, kv_heads, length, dim], rotated.
        heads: Numbers of query heads.
        window: Of the forward.
        mask: Additive float mask [rows, 1, q, length] of this layer; None hides nothing.
        scale: What the scores are multiplied by; None is dim ** -0.5.

    Returns:
        float32 (float64 for float64) [chosen heads, reads, length]; each sums to 1.
    """
    group = query.shape[1] // keys.shape[1]
    chosen = keys[:, [head // group for head in heads]]
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if window.drafts:
        mask = window.mask if mask is None else mask
        asked = query[:, list(heads)] * scale
        every = asked @ chosen.transpose(-1, -2)  # [rows, chosen, q, length]
        scores = every.transpose(1, 2).flatten(0, 1)[window.reads]
        seen = None if mask is None else mask.transpose(1, 2).flatten(0, 1)[window.reads]
    else:
        asked = window.at_last(query.transpose(1, 2))[:, list(heads)]  # [rows, chosen, dim]
        scores = (chosen @ (asked * scale)[..., None])[..., 0]
        seen = None if mask is None else window.at_last(mask.transpose(1, 2))
    wide = scores if scores.dtype == torch.float64 else scores.float()
    return torch.softmax(wide if seen is None else wide + seen, -1).transpose(0, 1)


class Edit(Protocol):
    """Changes what the layers of one forward hand on."""

    def __call__(self, layer: int, hidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """What goes on in place of `hidden`, which stays as it is.

        Args:
            layer: How many layers were read, from 1.
            hidden: [tokens, width]; padding may be among them.
            rows: int64 [tokens], the row of each token in the forward.
            columns: int64 [tokens], its position.
        """


class Network(Protocol):
    """The numbers of a model: what `lean.py` and `huggingface.py` implement.

    Attributes:
        num_layers: Layers that keep keys and values.
        num_heads: Query heads of a layer.
        head_size: Rows of the LM head; at least the vocabulary's size.
        head_width: Its columns; 0 where `head` cannot save work by computing some tokens alone.
        max_positions: The longest sequence the positions allow.
        num_parameters: Numbers in the weights, a tied head counted once.
        packs: Whether rows of unlike lengths cost no more than their tokens: padding is not read.
    """

    num_layers: int
    num_heads: int
    head_size: int
    head_width: int
    max_positions: int
    num_parameters: int
    packs: bool
    device: torch.device
    dtype: torch.dtype

    def forward(
        self,
        tokens: Tensor,
        cache: SlotCache,
        window: Window,
        taps: Sequence[int] = (),
        mixtures: Tensor | None = None,
        watch: Watch | None = None,
        edit: Edit | None = None,
    ) -> Tensor:
        """Run int64 [rows, q] through the layers, writing keys and values into the cache.

        Args:
            tokens: Padded on the right; the window says which are real.
            cache: The slots of this network.
            window: Where the tokens go.
            taps: Layers to read out early: 0 stands before the first layer, n after n layers.
            mixtures: float [rows, vocab], what is fed for each row's last real token: the share
                of every token's embedding; the rest to 1 is its own. None is all its own.
            watch: Takes what some heads look at; None where nobody asks.
            edit: Changes what layers hand on; None leaves it.

        Returns:
            What `head` reads where the window says, most often at each row's last token: [reads,
            width] of the last layer, then as much of each tap in turn, under the last norm;
            [(1 + taps) * reads, width].

        Raises:
            ModelError: There are taps, a watch or an edit, and this network has no place for them.
        """

    def traced(
        self, tokens: Tensor, cache: SlotCache, window: Window, edit: Edit | None = None
    ) -> Tensor:
        """As `forward`, without taps; gradients go back to keys, values and edits."""

    def head(self, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """Logits of hidden states [rows, width]: [rows, head_size], or of int64 [n] alone."""

    def exact(self) -> Network:
        """The same network in float64, to decide near-ties; made once."""


def mix(fed: Tensor, last: Tensor, mixtures: Tensor, embeddings: Tensor) -> None:
    """Put mixtures where some tokens are fed; all zero leaves a token as it is, bit for bit.

    Args:
        fed: [tokens, width], changed in place.
        last: int64 [rows], the tokens that are mixed.
        mixtures: See `Network.forward`.
        embeddings: [vocab or more, width].
    """
    own = 1 - mixtures.sum(dim=1, keepdim=True)
    expected = mixtures.to(fed) @ embeddings[: mixtures.shape[1]]
    fed[last] = fed[last] * own.to(fed) + expected


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its vocabulary and the files it came from.

    Attributes:
        name: What the user called it.
        fingerprint: SHA-256 over config, tokenizer and weight headers; part of a batch's identity.
        end_ids: Tokens that end free text (the vocabulary's end token and the config's others).
        chat_template: The Jinja text of the checkpoint, or None.
        special_tokens: The named special tokens that templates refer to.
        description: Facts for people: parameters, backend, dtype, device.
    """

    name: str
    directory: Path
    network: Network
    vocabulary: Vocabulary
    fingerprint: str
    end_ids: frozenset[int]
    chat_template: str | None
    special_tokens: dict[str, str] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)

    def refused_ids(self) -> frozenset[int]:
        """Ids that free text never holds: padding, and special tokens but those that end it."""
        empty = {token for token, text in enumerate(self.vocabulary.tokens) if not text}
        return frozenset(empty | set(self.vocabulary.special_ids)) - self.end_ids
