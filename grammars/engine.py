"""The llguidance adapter: grammar text -> constraint -> masks.

Knows llguidance's matcher and its messages. Writes nothing to any log; an error inside the engine
becomes an error of ours.

Every grammar runs with `no_forcing`, so that a mask holds *all* valid splits of a text into
tokens; forced tokens are asked for separately and cut canonically (the rule of llguidance's
docs/fast_forward.md, with the grammar asked about the last four tokens).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from tether.errors import DeadEnd, GrammarError, InternalError, UsageError
from tether.grammars.constraint import Constraint, Mask, Matcher, among, set_bit
from tether.grammars.vocabulary import Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits

ENGINE_OPTIONS = '%llguidance {"no_forcing": true}\n'
_FORCED_BYTES = 512
"""Forced bytes looked at in one go: a guard against grammars that force for ever."""
_LOOK_BACK = 4
"""Forced tokens at the end that a longer allowed token may still swallow."""


class EngineMatcher(Matcher):
    """One row's state in llguidance. The end token never reaches the engine: it is counted here."""

    def __init__(self, vocabulary: Vocabulary, engine: LLMatcher) -> None:
        self.vocabulary = vocabulary
        self._engine = engine
        self._num_ends = 0
        self._end, self._size = vocabulary.eos_id, vocabulary.size
        self._out: Mask | None = None
        self._address = self._num_bytes = 0

    def fill_mask(self, out: Mask) -> None:
        """Ask llguidance for the mask, straight into `out`; an empty one is an error of its."""
        if out is not self._out:  # callers that reuse one array save half of a mask's time
            self._address, self._out = _address(out, self.vocabulary.num_words), out
            self._num_bytes = out.nbytes
        if self._num_ends:
            out[:] = 0
            set_bit(out, self._end)
            return
        self._engine.unsafe_compute_mask_ptr(self._address, self._num_bytes)
        if self._engine.is_error():
            self._refill(out)

    def _refill(self, out: Mask) -> None:
        """What to do where the engine has no mask to write."""
        raise self._failure()

    def advance(self, token: int) -> None:
        """Consume one token."""
        if token == self._end:
            self._end_text()
        elif (
            self._num_ends
            or not 0 <= token < self._size
            or not self._engine.try_consume_tokens([token])
        ):
            raise not_held(token)

    def _end_text(self) -> None:
        """Count an end token."""
        if not self.can_end:
            raise InternalError("The end token was advanced where the text may not end.")
        self._num_ends += 1

    def rollback(self, num_tokens: int) -> None:
        """Take back end tokens first, then the engine's."""
        ends = min(num_tokens, self._num_ends)
        if num_tokens - ends and not self._engine.rollback(num_tokens - ends):
            raise InternalError(f"Cannot take back {num_tokens} tokens.") from self._failure()
        self._num_ends -= ends

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens could be advanced; end tokens count where the text may end."""
        end = self._end
        plain = 0 if self._num_ends else _index(tokens, end)
        accepted = self._engine.validate_tokens(self._known(tokens[:plain])) if plain else 0
        if plain == len(tokens) or accepted < plain or not self._could_end_after(tokens[:plain]):
            return accepted
        while accepted < len(tokens) and tokens[accepted] == end:
            accepted += 1
        return accepted

    def forced(self) -> list[int]:
        """The engine's forced bytes, cut canonically; ends before any token that could differ."""
        if self.ended:
            return []
        data: bytes = self._engine.compute_ff_bytes()[:_FORCED_BYTES]
        if not data:
            return []
        tokens = _canonical(self.vocabulary, data)
        tokens = tokens[: self._engine.validate_tokens(tokens)]
        return tokens[: self._unambiguous(tokens)]

    @property
    def can_end(self) -> bool:
        """Whether the grammar is complete here."""
        return self._num_ends > 0 or bool(self._engine.is_accepting())

    @property
    def ended(self) -> bool:
        """Whether the grammar is complete and allows nothing more."""
        if self._num_ends:
            return True
        return bool(self._engine.is_stopped() and self._engine.is_accepting())

    def fork(self) -> Self:
        """A deep copy of the engine's state."""
        copied = copy(self)
        copied._engine = self._engine.deep_copy()
        return copied

    def _known(self, tokens: Sequence[int]) -> list[int]:
        """The leading tokens that are ids at all; llguidance raises on others."""
        size = self._size
        if tokens and min(tokens) >= 0 and max(tokens) < size:
            return list(tokens)
        wrong = next((i for i, t in enumerate(tokens) if not 0 <= t < size), len(tokens))
        return list(tokens[:wrong])

    def _consume(self, tokens: Sequence[int]) -> bool:
        return int(self._engine.try_consume_tokens(self._known(tokens))) == len(tokens)

    def _could_end_after(self, tokens: Sequence[int]) -> bool:
        """Whether the text could stop after `tokens`, all known to be allowed."""
        if not tokens:
            return self.can_end
        self._consume(tokens)
        answer = self.can_end
        self._engine.rollback(len(tokens))
        return answer

    def _unambiguous(self, tokens: list[int]) -> int:
        """How many forced tokens no allowed longer token could replace."""
        mask = np.zeros(self.vocabulary.num_words, dtype=np.int32)
        for kept, rivals in _rivals(self.vocabulary, tuple(tokens)):
            self._consume(tokens[:kept])
            self.fill_mask(mask)
            if kept:
                self._engine.rollback(kept)
            if among(mask, rivals).size:
                return kept
        return len(tokens)

    def _failure(self) -> DeadEnd | InternalError:
        detail = str(self._engine.get_error()).split("<")[0].strip()
        reason = detail or str(self._engine.stop_reason())
        if "NoExtension" in reason:
            return DeadEnd(
                "No text satisfies the grammar from here.",
                hint="Some rule can never be completed; `tether check` names it.",
            )
        return InternalError(
            f"The mask engine stopped: {reason}.",
            hint="The grammar is too large or too ambiguous for one step; simplify it.",
        )


class EngineConstraint(Constraint):
    """A grammar compiled by llguidance.

    Args:
        grammar: Text in llguidance's Lark dialect, its options line included.
        vocabulary: The tokens.
        refuse: Turns the engine's message into the error of the language the user wrote.
        later: Whether the engine reads the grammar at the first `start`, and refuses it then;
            that takes it 0.6 to 2 ms for most grammars.
    """

    def __init__(
        self,
        grammar: str,
        vocabulary: Vocabulary,
        refuse: Callable[[str], Exception] | None = None,
        *,
        later: bool = False,
    ) -> None:
        self.vocabulary = vocabulary
        self.grammar = grammar
        self._refuse = refuse or plain_refusal
        self._lock = threading.Lock()
        self._first: LLMatcher | None = None
        self._message = _surrogate(grammar)
        if not later:
            self._read()

    @property
    def key(self) -> str:
        """Hash of the grammar, the vocabulary and the engine's version."""
        import llguidance

        parts = (llguidance.__version__, self.vocabulary.key, self.grammar)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def start(self) -> Matcher:
        """A copy of the compiled state."""
        return EngineMatcher(self.vocabulary, self.engine())

    def engine(self) -> LLMatcher:
        """The engine's own matcher at the start of the text."""
        return (self._first or self._read()).deep_copy()

    def renew(self) -> None:
        """Forget the lexer that all matchers share: once out of fuel it refuses everything."""
        with self._lock:
            self._first = None

    def _read(self) -> LLMatcher:
        """Have the grammar read by the engine, once for all threads."""
        from llguidance import LLMatcher

        with self._lock:
            if not self._message and self._first is None:
                tokenizer, limits = self.vocabulary.engine_tokenizer(), engine_limits()
                first = LLMatcher(tokenizer, self.grammar, log_level=0, limits=limits)
                self._message = str(first.get_error())
                self._first = first
        if self._message or self._first is None:
            raise self._refuse(self._message)
        return self._first


def engine_limits() -> LLParserLimits:
    """Limits above llguidance's defaults: wide unions of real schemas need them."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        max_items_in_row=50_000,
        initial_lexer_fuel=5_000_000,
        step_lexer_fuel=10_000_000,
        step_max_items=500_000,
        max_lexer_states=500_000,
        max_grammar_size=2_000_000,
        verbose_errors=False,
    )


def with_engine_options(text: str) -> str:
    """`text` with our engine options at its end, where they win and move no line."""
    return f"{text}\n{ENGINE_OPTIONS}"


def engine_message(grammar: str) -> str:
    """What llguidance says against a grammar text without looking at any tokens; "" for nothing."""
    from llguidance import LLMatcher

    if message := _surrogate(grammar):
        return message
    refused, messages = LLMatcher.validate_grammar_with_warnings(grammar, limits=engine_limits())
    return str(messages[0]) if refused else ""


def engine_refusal(grammar: str) -> tuple[int, int, str] | None:
    """Line, column and reason of llguidance's refusal of a Lark text, or None."""
    message = engine_message(grammar)
    if not message:
        return None
    return located(message)


def located(message: str) -> tuple[int, int, str]:
    """Line, column and reason in a message of llguidance; line 1 where it names none."""
    match = re.match(r"(?:at )?(\d+)\((\d+)\): (.*)", message)
    detail = re.search(r"^error: (.*)$", message, re.MULTILINE)
    if not match:
        return 1, 1, message.split("\n")[0].rstrip(".")
    reason = detail[1] if detail else match[3]
    return int(match[1]), int(match[2]), reason.rstrip(".:")


def plain_refusal(message: str) -> GrammarError:
    """The engine's message as our error."""
    return GrammarError(f"The grammar is refused by the mask engine: {located(message)[2]}.")


def quoted(text: str) -> str:
    """A text as a string literal of the Lark dialect (JSON's, but for a raw DEL)."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def regex_terminal(pattern: str) -> str:
    """`pattern` as a regex literal of the Lark dialect."""
    body = pattern.replace("\n", "\\n").replace("\r", "\\r")
    escaped = re.sub(r"\\.|/", lambda m: "\\/" if m[0] == "/" else m[0], body)
    return f"/{escaped}/" if escaped else '""'


def _surrogate(text: str) -> str:
    """What is wrong with a text that is no Unicode; "" where it is."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"it holds the lone surrogate U+{ord(text[error.start]):04X}"
    return ""


def not_held(token: int) -> InternalError:
    """The error of a caller that advances what no mask allowed."""
    return InternalError(f"Token {token} was advanced, but the mask does not hold it.")


@lru_cache(maxsize=4096)
def _canonical(vocabulary: Vocabulary, data: bytes) -> list[int]:
    """The tokens of forced bytes, which are much the same for all rows; not to be changed."""
    try:
        return vocabulary.encode(_whole_characters(data))
    except UsageError:  # a byte no token spells: nothing canonical to force
        return []


@lru_cache(maxsize=4096)
def _rivals(
    vocabulary: Vocabulary, tokens: tuple[int, ...]
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """How many forced tokens stand before those that a longer token may replace, and its ids."""
    places = range(max(0, len(tokens) - _LOOK_BACK), len(tokens))
    rests = ((kept, vocabulary.decode_bytes(tokens[kept:])) for kept in places)
    found = [(kept, vocabulary.speller.longer_than(rest)) for kept, rest in rests]
    return [(kept, rivals) for kept, rivals in found if rivals.size]


def _index(tokens: Sequence[int], token: int) -> int:
    return tokens.index(token) if token in tokens else len(tokens)


def _address(out: Mask, words: int) -> int:
    """Where the engine is to write, after a look at the array's layout."""
    if out.dtype != np.int32 or out.shape != (words,) or not out.flags.c_contiguous:
        raise InternalError(f"A mask must be contiguous int32 [{words}].")
    return out.ctypes.data


def _whole_characters(data: bytes) -> str:
    """The text of `data` up to the first byte that is not whole UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return data[: error.start].decode()
