"""outlines' transformers model as two engines: on its own index, and on llguidance.

Both go through `outlines.from_transformers` and a generator, tokenizing and decoding included.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import outlines
from engines import Asked, Library, Said
from index_child import index
from schemas import Schema
from subjects import Subject

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class _Recording:
    """A library model whose last output is kept: outlines itself gives text only."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self.output: torch.Tensor | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def generate(self, **inputs: object) -> torch.Tensor:
        """The model's own `generate`, new tokens kept in `output`."""
        whole: torch.Tensor = self._model.generate(**inputs)
        tokens = inputs["input_ids"]
        self.output = whole[:, tokens.shape[1] :]  # type: ignore[attr-defined]
        return whole


class Outlines(Library):
    """outlines with its default backend, outlines_core."""

    def __init__(
        self, subject: Subject, tokenizer: PreTrainedTokenizerFast, compile_limit_s: float
    ) -> None:
        super().__init__(subject, tokenizer)
        assert subject.tokenizer is not None, "outlines reads text"
        self._directory, self._limit_s = subject.tokenizer, compile_limit_s
        self._recorded = _Recording(subject.library)
        self._outlines = outlines.from_transformers(self._recorded, self.tokenizer)

    def compile(self, schema: Schema) -> float:
        """See Engine."""
        from outlines.backends.outlines_core import OutlinesCoreLogitsProcessor

        made, seconds = index(self._directory, self.tokenizer.eos_token, schema, self._limit_s)
        processor = OutlinesCoreLogitsProcessor(made, "torch")
        self._generator = outlines.Generator(self._outlines, processor=processor)
        return seconds

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        texts = [prompt.text for prompt in asked]
        ids = self.tokenizer(texts)["input_ids"]
        if any(tuple(a) != b.tokens for a, b in zip(ids, asked, strict=True)):
            raise RuntimeError("the library's tokenizer cuts the prompts in another way")
        if len(texts) == 1:
            self._generator(texts[0], max_new_tokens=max_tokens, do_sample=False)
        else:
            self._generator.batch(texts, max_new_tokens=max_tokens, do_sample=False)
        assert self._recorded.output is not None, "generate was called"
        return self.said(self._recorded.output, max_tokens)


class OutlinesLLGuidance(Outlines):
    """outlines with its llguidance backend: the engine under tether's loop, in theirs."""

    def compile(self, schema: Schema) -> float:
        """See Engine; outlines makes llguidance's view of the tokenizer anew each time."""
        began = time.perf_counter()
        compact = {**schema, "x-guidance": {"whitespace_flexible": False}}
        self._generator = outlines.Generator(
            self._outlines, outlines.types.JsonSchema(compact), backend="llguidance"
        )
        return time.perf_counter() - began
