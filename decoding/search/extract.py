"""The most probable quote: where a row may only quote the evidence, the best span of all.

Best-first over the tokens of quotes, which share their beginnings: the cheapest beginning is gone
on with, until a whole quote is cheaper than every beginning that is left. Costs only grow, so that
quote is the best. A span costs the surprise of its tokens and of the token that closes it, under
the model alone: neither contrast nor temperature has a say. It is scored in its canonical tokens,
the ones that the tokenizer would cut it into. Source: exact-extract, Ram et al. (github
ocastel/exact-extract), which scores all suffixes; here only the beginnings that can win are read.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Network
from tether.decoding.request import Request
from tether.decoding.row import Row
from tether.errors import InternalError, LimitReached, UsageError
from tether.grammars.constraint import Matcher, allowed_ids

WIDTH = 8
"""Beginnings that are read in one forward."""
MOST = 4096
"""Beginnings that are read for one quote."""
_CHUNK = 512  # bounds the attention mask of long prompts

Path = tuple[int, ...]
Ask = Callable[[Sequence[Path]], Tensor]
"""Log-probabilities [paths, vocab] of the next token after each path."""


class Best(NamedTuple):
    """A quote's tokens, the closing one last, and the sum of their log-probabilities."""

    tokens: Path
    log_p: float


class _Open(NamedTuple):
    """A beginning, or a quote with its closing token, by its cost; older ones first."""

    cost: float
    age: int
    path: Path
    is_whole: bool


def check_extract(request: Request) -> None:
    """Refuse what the search cannot heed.

    Raises:
        UsageError: Other methods are to reshape the same choices.
    """
    if request.extract and (request.terms or request.sources):
        raise UsageError(
            "extract takes the quote that is best for the model alone.",
            hint="Leave out --contrast and --ground, or --extract.",
        )


class Extractor:
    """Says the best quote wherever a row begins one.

    Args:
        network: The model's.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._fans: WeakKeyDictionary[Row, Fan] = WeakKeyDictionary()

    def quote(self, row: Row) -> None:
        """Say the quote that the row stands before, and those that follow at once."""
        while row.request.extract and row.finish is None and row.quoting is not None:
            row.say_all(lambda: self._best(row))

    def _best(self, row: Row) -> Path:
        """The tokens of the best quote from where a row stands."""
        fan = self._fans.setdefault(row, Fan(self._network))

        def ask(paths: Sequence[Path]) -> Tensor:
            row.forwarded()
            return fan.ask(row.context, paths)

        room = self._network.max_positions - len(row.context)
        return best(row.quoting, ask, room=room).tokens


class Fan:
    """A context and short ways on from it, in a cache of its own that keeps what it has read."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._cache = SlotCache(network.num_layers, WIDTH)
        self._held: list[list[int]] = [[] for _ in range(WIDTH)]

    def ask(self, context: Sequence[int], paths: Sequence[Path]) -> Tensor:
        """Log-probabilities float64 [paths, vocab] of the next token; at most WIDTH paths."""
        wanted = [[*context, *path] for path in paths]
        pending = [self._pending(slot, tokens) for slot, tokens in enumerate(wanted)]
        if max(map(len, pending)) > _CHUNK // len(pending):
            self._read_once(list(context))
            pending = [self._pending(slot, tokens) for slot, tokens in enumerate(wanted)]
        hidden = self._forward(0, pending)
        logits = self._network.head(hidden)
        return torch.log_softmax(logits.double(), dim=1).cpu()

    def _pending(self, slot: int, tokens: list[int]) -> list[int]:
        """What a slot has not read of these tokens; the last one at least."""
        held = self._held[slot]
        same = next((n for n, (a, b) in enumerate(zip(held, tokens, strict=False)) if a != b), None)
        kept = min(len(held), len(tokens)) if same is None else same
        kept = min(kept, len(tokens) - 1)
        self._cache.rollback(slot, self._cache.lengths[slot] - kept)
        self._held[slot] = held[:kept]
        return tokens[kept:]

    @torch.inference_mode()
    def _read_once(self, context: list[int]) -> None:
        """Read a context in the first slot and copy it to the others."""
        rest = self._pending(0, context)
        while rest:
            self._forward(0, [rest[:_CHUNK]])
            rest = rest[_CHUNK:]
        for slot in range(1, WIDTH):
            for layer in self._cache.layers:
                layer.move(0, slot, len(context))
            self._cache.lengths[slot], self._held[slot] = len(context), list(context)

    @torch.inference_mode()
    def _forward(self, first: int, pending: list[list[int]]) -> Tensor:
        """What the head reads after each slot's tokens, [slots, width]."""
        network, counts = self._network, [len(tokens) for tokens in pending]
        window = self._cache.window(first, counts, device=network.device, dtype=network.dtype)
        padded = [tokens + [0] * (max(counts) - len(tokens)) for tokens in pending]
        tokens = torch.tensor(padded).to(network.device)
        hidden = network.forward(tokens, self._cache, window, ())
        self._cache.commit(window)
        for slot, new in enumerate(pending, first):
            self._held[slot] += new
        return hidden


def best(matcher: Matcher | None, ask: Ask, *, room: int = 1 << 30, most: int = MOST) -> Best:
    """The most probable quote from where a matcher stands.

    Args:
        matcher: In a quote. It is not changed.
        ask: The model.
        room: Tokens that may follow at most, the closing one included.
        most: Beginnings that are read before the search is given up.

    Raises:
        LimitReached: They were not enough.
        InternalError: The matcher is in no quote.
    """
    if matcher is None or matcher.quote is None:
        raise InternalError("A quote was searched for where none may be said.")
    search = _Search(matcher, ask, room)
    while search.num_read < most:
        found = search.turn()
        if found is not None:
            return found
    raise LimitReached(
        f"The most probable quote was not found among {search.num_read} beginnings.",
        hint="Use --extract off, or ask for shorter quotes (maxLength) of less evidence.",
    )


class _Search:
    """What is open in one search."""

    def __init__(self, matcher: Matcher, ask: Ask, room: int) -> None:
        self._matcher, self._ask, self._room = matcher, ask, room
        self._vocabulary = matcher.vocabulary
        self._ages = count()
        self._heap = [_Open(0.0, next(self._ages), (), False)]
        self.num_read = 0

    def turn(self) -> Best | None:
        """Read the cheapest beginnings; the best quote where it is cheaper than all of them."""
        chosen: list[_Open] = []
        while self._heap and len(chosen) < WIDTH:
            if self._heap[0].is_whole and chosen:
                break
            node = heapq.heappop(self._heap)
            if not node.is_whole:
                chosen.append(node)
            elif self._stands(node.path):
                return Best(node.path, -node.cost)
        if not chosen:
            raise LimitReached(
                "No quote can be ended within the tokens that are left.",
                hint="Raise --max-tokens.",
            )
        self.num_read += len(chosen)
        for node, log_p in zip(chosen, self._ask([node.path for node in chosen]), strict=True):
            self._expand(node, log_p.numpy())
        return None

    def _expand(self, node: _Open, log_p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        """Open what can follow a beginning."""
        fork = self._after(node.path)
        mask = fork.mask()
        closing = self._closing(fork)
        if closing is not None and self._is_canonical(node.path):
            self._push(node, closing, log_p, is_whole=True)
        if len(node.path) + 1 < self._room:
            assert fork.quote is not None, "a beginning is within a quote"
            for token in allowed_ids(mask & fork.quote.inside(self._vocabulary)):
                self._push(node, int(token), log_p, is_whole=False)

    def _push(
        self,
        node: _Open,
        token: int,
        log_p: np.ndarray[tuple[int], np.dtype[np.float64]],
        *,
        is_whole: bool,
    ) -> None:
        cost = node.cost - float(log_p[token])
        path = (*node.path, token)
        heapq.heappush(self._heap, _Open(cost, next(self._ages), path, is_whole))

    def _after(self, path: Path) -> Matcher:
        fork = self._matcher.fork()
        for token in path:
            fork.advance(token)
        return fork

    def _closing(self, matcher: Matcher) -> int | None:
        """The token that really follows here if the quote ends; None where it may not."""
        quote = matcher.quote
        assert quote is not None, "a beginning is within a quote"
        if not quote.is_json:
            return self._vocabulary.eos_id if matcher.can_end else None
        if quote.spans.is_escaping(quote.span):
            return None
        (mark,) = self._vocabulary.speller.spell(b'"')
        if not matcher.prefix_length([mark]):
            return None
        ended = matcher.fork()
        ended.advance(mark)
        text = b'"' + self._vocabulary.decode_bytes(ended.forced())
        token = self._vocabulary.encode(text.decode())[0]
        return token if matcher.prefix_length([token]) else mark

    def _is_canonical(self, path: Path) -> bool:
        """Whether the tokenizer would cut the quote so; it may not end within a character."""
        try:
            text = self._vocabulary.decode_bytes(path).decode()
        except UnicodeDecodeError:
            return False
        return tuple(self._vocabulary.encode(text)) == path

    def _stands(self, path: Path) -> bool:
        """Whether nothing of a whole quote would be taken back: budget and judge included."""
        fork = self._matcher.fork()
        for token in path:
            if not fork.prefix_length([token]):
                return False
            fork.advance(token)
        return token == self._vocabulary.eos_id or fork.retreat() == 0
