"""Four ways to hold a model to a JSON schema, behind one small protocol.

tether's loop; outlines over transformers with its own index ("outlines") and with llguidance
("outlines-llguidance"); xgrammar's logits processor in `model.generate`. Every engine is asked for
compact JSON, greedy, from the same prompt tokens; everything else stays as its makers set it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schemas import Schema, padded
from subjects import Subject

from tether.decoding.loop import Loop
from tether.decoding.request import Request
from tether.grammars.json_schema import Bounds, json_schema

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt as text (template applied) and as the tokens it becomes."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What an engine answered.

    Attributes:
        texts: One a prompt.
        counts: Output tokens of each, the end token left out.
        limited: How many rows were still going at the limit.
    """

    texts: list[str]
    counts: list[int]
    limited: int


class Engine(Protocol):
    """An engine on one model; made once, its set-up is timed apart from compiling."""

    def compile(self, schema: Schema) -> float:
        """Get ready for a schema; seconds. `Skipped` where it cannot be held, or takes too long."""

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """Answer all prompts at once under the schema compiled last."""


class Tether:
    """The loop of this repository, on its own forward, with the bounds `tether json` puts."""

    def __init__(self, subject: Subject) -> None:
        self._model = subject.lean
        self._model.vocabulary.engine_tokenizer()

    def compile(self, schema: Schema) -> float:
        """See Engine; past the cache on disk."""
        began = time.perf_counter()
        self._constraint = json_schema(schema, self._model.vocabulary, bounds=Bounds())
        self._constraint.start()
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        rows = [
            Request(str(i), prompt.tokens, self._constraint, max_tokens=max_tokens)
            for i, prompt in enumerate(asked)
        ]
        ended = sorted(Loop(self._model, slots=len(rows)).run(rows), key=lambda row: int(row.key))
        return Said(
            [row.text for row in ended],
            [row.stats.output_tokens for row in ended],
            sum(row.finish == "limit" for row in ended),
        )


class Library:
    """What the engines on the library's `generate` share: tokens in, texts and counts out."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = subject.library, tokenizer
        self._end = subject.lean.vocabulary.eos_id
        self.model.generation_config.eos_token_id = self._end
        self.model.generation_config.pad_token_id = self._end

    def generate(self, asked: list[Asked], max_tokens: int, processor: object) -> Said:
        """`model.generate`, greedy, under one logits processor."""
        tokens, real = padded([prompt.tokens for prompt in asked], self.model.device)
        whole = self.model.generate(
            input_ids=tokens, attention_mask=real, max_new_tokens=max_tokens,
            do_sample=False, logits_processor=[processor],
        )  # fmt: skip
        return self.said(whole[:, tokens.shape[1] :], max_tokens)

    def said(self, output: torch.Tensor, max_tokens: int) -> Said:
        """Cut each row [new tokens] at its end token."""
        rows = [row[: row.index(self._end)] if self._end in row else row for row in output.tolist()]
        texts = [self.tokenizer.decode(row, skip_special_tokens=True) for row in rows]
        return Said(texts, [len(row) for row in rows], sum(len(row) == max_tokens for row in rows))


class XGrammar(Library):
    """xgrammar's own logits processor for transformers."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(subject, tokenizer)
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            self.tokenizer, vocab_size=subject.library.config.vocab_size, stop_token_ids=[self._end]
        )
        self._compiler = xgrammar.GrammarCompiler(info)
        self._processor = xgrammar.contrib.hf.LogitsProcessor

    def compile(self, schema: Schema) -> float:
        """See Engine."""
        began = time.perf_counter()
        self._grammar = self._compiler.compile_json_schema(
            schema, any_whitespace=False, separators=(",", ":")
        )
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine; a processor serves one call."""
        return self.generate(asked, max_tokens, self._processor(self._grammar))
