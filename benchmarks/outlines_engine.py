"""outlines' transformers model as three engines: on its own index, on llguidance, on xgrammar.

All go through `outlines.from_transformers` and a generator, tokenizing and decoding included.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import outlines
from engines import Asked, Library, Said
from index_child import index
from rows import Skipped
from subjects import Subject
from works import Work

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

    def compile(self, work: Work) -> float:
        """See Engine."""
        if work.kind == "grammar":
            raise Skipped("outlines_core has no grammars.")
        if work.kind == "regex":
            began = time.perf_counter()
            self._generator = outlines.Generator(self._outlines, outlines.types.Regex(work.rule))
            return time.perf_counter() - began
        from outlines.backends.outlines_core import OutlinesCoreLogitsProcessor

        made, seconds = index(self._directory, self.tokenizer.eos_token, work.schema, self._limit_s)
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
        return self.said(self._recorded.output.tolist(), max_tokens)


class OutlinesLLGuidance(Outlines):
    """outlines with its llguidance backend: the engine under tether's loop, in theirs."""

    backend = "llguidance"

    def compile(self, work: Work) -> float:
        """See Engine; outlines makes the engine's view of the tokenizer anew each time."""
        began, types = time.perf_counter(), outlines.types
        if work.kind == "json":
            rule = types.JsonSchema({**work.schema, **_COMPACT.get(self.backend, {})})
        else:
            rule = types.Regex(work.rule) if work.kind == "regex" else types.CFG(self._cfg(work))
        try:
            self._generator = outlines.Generator(self._outlines, rule, backend=self.backend)
        except Exception as error:  # whatever it raises, it does not hold the rule
            raise Skipped(f"{self.backend} refuses it: {str(error)[:200]}") from error
        return time.perf_counter() - began

    def _cfg(self, work: Work) -> str:
        return work.rule


class OutlinesXGrammar(OutlinesLLGuidance):
    """outlines with its xgrammar backend."""

    backend = "xgrammar"

    def _cfg(self, work: Work) -> str:
        return work.gbnf


_COMPACT = {"llguidance": {"x-guidance": {"whitespace_flexible": False}}}
"""What a backend reads in a schema to write compact JSON; xgrammar's offers nothing."""
