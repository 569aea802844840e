"""Four engines that turn a JSON Schema into token masks, behind one small protocol.

Each is asked as its makers set it: tether; llguidance's own JSON compiler, which is strict unless
told otherwise; xgrammar; outlines-core's regex and index. An engine is made once a process, so
its imports and its view of the vocabulary are not in the time of any schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tether.errors import DeadEnd, SchemaError
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Mask


class Refused(Exception):
    """The engine does not take the schema; the message says why."""


class Walker(Protocol):
    """The state of one text."""

    def fill_mask(self, out: Mask) -> None:
        """Write the allowed tokens, the end token where the text may end; nothing if none."""

    def advance(self, token: int) -> None:
        """Append a token that the mask holds."""


class MaskEngine(Protocol):
    """An engine over one vocabulary."""

    def compile(self, schema: str) -> Callable[[], Walker]:
        """What starts a text under the schema, which is JSON text. Raises `Refused`."""


class Tether:
    """This repository, past its cache on disk."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        vocabulary.engine_tokenizer()

    def compile(self, schema: str) -> Callable[[], Walker]:
        """See MaskEngine."""
        try:
            constraint = json_schema(schema, self._vocabulary)
        except SchemaError as error:
            raise Refused(error.message) from error
        return lambda: _TetherWalker(constraint.start())


class _TetherWalker:
    def __init__(self, matcher: Walker) -> None:
        self._matcher = matcher
        self.advance = matcher.advance

    def fill_mask(self, out: Mask) -> None:
        try:
            self._matcher.fill_mask(out)
        except DeadEnd:
            out.fill(0)


class LLGuidance:
    """llguidance's own JSON compiler, strict, on the text of the schema."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        from llguidance import LLMatcher, LLTokenizer

        tokenizer = vocabulary.engine_tokenizer().with_slices(LLTokenizer.general_slices())
        self._matcher, self._tokenizer = LLMatcher, tokenizer

    def compile(self, schema: str) -> Callable[[], Walker]:
        """See MaskEngine."""
        grammar = self._matcher.grammar_from_json_schema(schema)
        first = self._matcher(self._tokenizer, grammar, log_level=0)
        if first.is_error():
            raise Refused(first.get_error())
        return lambda: _LLGuidanceWalker(first.deep_copy())


class _LLGuidanceWalker:
    def __init__(self, matcher: object) -> None:
        self._matcher = matcher

    def fill_mask(self, out: Mask) -> None:
        self._matcher.unsafe_compute_mask_ptr(out.ctypes.data, out.nbytes)  # type: ignore[attr-defined]
        self._check()

    def advance(self, token: int) -> None:
        self._matcher.consume_token(token)  # type: ignore[attr-defined]
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():  # type: ignore[attr-defined]
            raise RuntimeError(self._matcher.get_error())  # type: ignore[attr-defined]


class XGrammar:
    """xgrammar's JSON Schema compiler with its defaults; one thread, no cache."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        import xgrammar

        info = xgrammar.TokenizerInfo(
            list(vocabulary.tokens), xgrammar.VocabType.RAW, stop_token_ids=[vocabulary.eos_id]
        )
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self._matcher = xgrammar.GrammarMatcher

    def compile(self, schema: str) -> Callable[[], Walker]:
        """See MaskEngine."""
        try:
            grammar = self._compiler.compile_json_schema(schema)
        except RuntimeError as error:
            raise Refused(str(error)) from error
        return lambda: _XGrammarWalker(self._matcher(grammar))


class _XGrammarWalker:
    def __init__(self, matcher: object) -> None:
        self._matcher = matcher

    def fill_mask(self, out: Mask) -> None:
        if not self._matcher.fill_next_token_bitmask(out.reshape(1, -1)):  # type: ignore[attr-defined]
            out.fill(-1)  # it says so instead of writing that everything is allowed

    def advance(self, token: int) -> None:
        if not self._matcher.accept_token(token):  # type: ignore[attr-defined]
            raise RuntimeError(f"token {token} is in the mask, but not accepted")


class Outlines:
    """outlines-core: the schema as a regex, the regex as a table of states and tokens."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        import outlines_core

        ids: dict[bytes, list[int]] = {}
        for token, text in enumerate(vocabulary.tokens):
            if text and token not in vocabulary.special_ids:
                ids.setdefault(text, []).append(token)
        self._vocabulary = outlines_core.Vocabulary(vocabulary.eos_id, ids)
        self._index, self._guide = outlines_core.Index, outlines_core.Guide

    def compile(self, schema: str) -> Callable[[], Walker]:
        """See MaskEngine."""
        from outlines_core.json_schema import build_regex_from_schema

        try:
            index = self._index(build_regex_from_schema(schema), self._vocabulary)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise Refused(str(error)) from error
        return lambda: _OutlinesWalker(self._guide(index))


class _OutlinesWalker:
    def __init__(self, guide: object) -> None:
        self._guide = guide

    def fill_mask(self, out: Mask) -> None:
        self._guide.write_mask_into(out.ctypes.data, out.size, out.itemsize)  # type: ignore[attr-defined]

    def advance(self, token: int) -> None:
        self._guide.advance(token, return_tokens=False)  # type: ignore[attr-defined]


ENGINES: dict[str, Callable[[Vocabulary], MaskEngine]] = {
    "tether": Tether,
    "llguidance": LLGuidance,
    "xgrammar": XGrammar,
    "outlines": Outlines,
}


def empty_mask(vocabulary: Vocabulary) -> Mask:
    """A mask to be filled."""
    return np.zeros(vocabulary.num_words, dtype=np.int32)
