"""Tokens as bytes: what every mask, matcher and encoder of this room counts in.

Knows token bytes, the end token and the special ones; the files they come from are read by
`tokenizer_file.py`. Knows no model.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tether.errors import UsageError
from tether.grammars.spelling import Speller

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_SPACE_KEPT = "\x02"
"""Put before a text so that the tokenizer's own leading space lands on it, then cut off again."""

_CHAR = r'[^"\\\x00-\x1F\x7F]'
_SLICES = [
    r"[\x20\x0A\x0D\x09]+",
    *(f"{run}{{1,10}}" for run in ("[a-z]", "[a-zA-Z]", "[a-zA-Z0-9]")),
    *(f"{_CHAR}{{1,{most}}}" for most in (2, 4, 6, 8, 10, 14, 20, 30)),
    f"{_CHAR}+",
]
"""Sets of tokens whose masks the engine keeps ready: where a string may go on with all of a set,
its tokens need not be walked. The engine's own sets know free strings only; these also serve
strings of one kind of letters, and those that have only a few characters left."""


class TextEncoder(Protocol):
    """What a tokenizer file adds to the bare tokens: its own way of cutting text."""

    key: str

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; names of special tokens in it are plain text."""

    def encode_prompt(self, text: str, *, begin: bool) -> list[int]:
        """Token ids of a prompt; names of special tokens in it are those tokens."""


class Vocabulary:
    """The tokens of one model as bytes. Immutable; shared between threads.

    Attributes:
        tokens: The bytes of each token id; empty where an id has no text.
        eos_id: The token that ends a text.
        special_ids: Tokens that stand for no text, the end token among them. A special token's
            entry in `tokens` is its name, for people.
        size: How many token ids there are.
        num_words: int32 words in a mask, ceil(size / 32).
    """

    def __init__(
        self,
        tokens: Sequence[bytes],
        eos_id: int,
        special_ids: Collection[int] = (),
        encoder: TextEncoder | None = None,
    ) -> None:
        self.tokens = tuple(tokens)
        self.size = len(self.tokens)
        self.num_words = (self.size + 31) // 32
        for token in (eos_id, *special_ids):
            if not 0 <= token < self.size:
                raise UsageError(
                    f"Token {token} is outside the vocabulary of {self.size} tokens.",
                    hint="eos_id and special_ids are indices into tokens.",
                )
        self.eos_id = eos_id
        self.special_ids = frozenset(special_ids) | {eos_id}
        self._encoder = encoder
        self._lock = threading.RLock()

    @classmethod
    def from_tokens(
        cls, tokens: Sequence[bytes], eos_id: int, special_ids: Collection[int] = ()
    ) -> Vocabulary:
        """A vocabulary of bare tokens; text is cut by the longest match."""
        return cls(tokens, eos_id, special_ids)

    @classmethod
    def from_file(cls, path: str | Path, *, eos: int | str | None = None) -> Vocabulary:
        """The vocabulary of a `tokenizer.json` (or of the directory that holds it).

        Args:
            path: The file, in the format of the tokenizers library.
            eos: The end token, by id or name; by default what the config files beside it say.

        Raises:
            ModelError: The file cannot be read, its tokens have no bytes of their own
                (WordPiece), or nothing names the end token.
        """
        from tether.grammars.tokenizer_file import read_tokenizer

        tokens, eos_id, special_ids, encoder = read_tokenizer(Path(path), eos)
        return cls(tokens, eos_id, special_ids, encoder)

    def padded(self, size: int) -> Vocabulary:
        """This vocabulary with ids up to `size` for a larger model head; the new ids are empty."""
        if size == self.size:
            return self
        if size < self.size:
            raise UsageError(
                f"The model scores {size} tokens, but the tokenizer has {self.size}.",
                hint="The tokenizer belongs to another model, or the head was cut.",
            )
        tokens = self.tokens + (b"",) * (size - self.size)
        return Vocabulary(tokens, self.eos_id, self.special_ids, self._encoder)

    @cached_property
    def key(self) -> str:
        """A hash of the tokens and of how text is cut into them."""
        digest = hashlib.sha256()
        for token in self.tokens:
            digest.update(len(token).to_bytes(4, "little") + token)
        encoder = self._encoder.key if self._encoder else "longest match"
        digest.update(repr((self.eos_id, sorted(self.special_ids), encoder)).encode())
        return digest.hexdigest()

    def encode(self, text: str) -> list[int]:
        """The canonical tokens of `text` as a piece of output: their bytes are exactly `text`.

        Special tokens never appear in the result, even where the text spells their names.

        Raises:
            UsageError: The text holds a lone surrogate or a byte that no token covers.
        """
        try:
            wanted = text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"The text holds a lone surrogate at character {error.start}.",
                hint="Write it as valid Unicode.",
            ) from error
        if self._encoder:
            for lead in ("", _SPACE_KEPT):
                tokens = self._cut(lead, text)
                if self.decode_bytes(tokens) == wanted:
                    return tokens
        return self.speller.spell(wanted)

    def encode_prompt(self, text: str, *, begin: bool = False) -> list[int]:
        """The tokens of a whole prompt: names of special tokens in it become those tokens.

        Args:
            text: The prompt.
            begin: Also add what the tokenizer puts around a text (a begin token, usually); leave
                it off for chat templates, which write it themselves.
        """
        if self._encoder is None:
            return self.encode(text)
        return self._encoder.encode_prompt(text, begin=begin)

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """The bytes of some tokens; special tokens have none."""
        return b"".join(self.tokens[t] for t in tokens if t not in self.special_ids)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of some tokens; incomplete UTF-8 becomes U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", "replace")

    @cached_property
    def speller(self) -> Speller:
        """Byte-level look-ups over the tokens that stand for text."""
        plain = {i: t for i, t in enumerate(self.tokens) if t and i not in self.special_ids}
        return Speller(plain)

    def engine_tokenizer(self) -> LLTokenizer:
        """The mask engine's view of this vocabulary; built on first use, then shared."""
        with self._lock:
            return self._engine_tokenizer

    @cached_property
    def _engine_tokenizer(self) -> LLTokenizer:
        from llguidance import LLTokenizer, TokenizerWrapper

        return LLTokenizer(TokenizerWrapper(_EngineView(self)), slices=_SLICES)

    def _cut(self, lead: str, text: str) -> list[int]:
        assert self._encoder is not None
        tokens = self._encoder.encode(lead + text)
        return tokens[len(self._encoder.encode(lead)) :] if lead else tokens

    def __repr__(self) -> str:
        return f"Vocabulary(size={self.size}, eos_id={self.eos_id}, key={self.key[:12]})"


class _EngineView:
    """A vocabulary under the attribute names that llguidance asks for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.eos_token_id = vocabulary.eos_id
        self.bos_token_id = None
        self.tokens = list(vocabulary.tokens)
        self.special_token_ids = sorted(vocabulary.special_ids)
        self._vocabulary = vocabulary

    def __call__(self, text: bytes | str) -> list[int]:
        """Canonical tokens; the engine asks once, with a probe, to learn that bytes are taken."""
        data = text if isinstance(text, bytes) else text.encode()
        if data == b"test":  # the probe: a small vocabulary may not spell it
            return []
        return self._vocabulary.encode(data.decode())
