"""tether and the engines on transformers' `generate`, behind one small protocol.

Every engine is asked for the same rule, greedy, from the same prompt tokens, for compact JSON where
it can be had; everything else stays as its makers set it. outlines and guidance, which bring loops
of their own, stand in outlines_engine.py and guidance_engine.py.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rows import Skipped
from schemas import padded
from subjects import Subject
from works import Work

from tether.decoding.drafts.registry import AUTO
from tether.decoding.loop import Loop
from tether.decoding.request import Request
from tether.grammars import lark, regex
from tether.grammars.json_schema import Bounds, json_schema

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher
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
        limited: Which rows were still going at the limit.
        seconds: By the engine's own clock, where it runs in another process.
    """

    texts: list[str]
    counts: list[int]
    limited: list[bool]
    seconds: float | None = None


class Engine(Protocol):
    """An engine on one model; made once, its set-up is timed apart from compiling."""

    def compile(self, work: Work) -> float:
        """Get ready for a rule; seconds. `Skipped` where it cannot be held, or takes too long."""

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """Answer all prompts at once under the rule compiled last."""


class Tether:
    """This repository's loop and forward, as `tether json` has them: with bounds and drafts."""

    def __init__(self, subject: Subject) -> None:
        self._model = subject.lean
        self._model.vocabulary.engine_tokenizer()

    def compile(self, work: Work) -> float:
        """See Engine; past the cache on disk."""
        began, vocabulary = time.perf_counter(), self._model.vocabulary
        if work.kind == "json":
            self._constraint = json_schema(work.schema, vocabulary, bounds=Bounds())
        else:
            self._constraint = {"regex": regex, "grammar": lark}[work.kind](work.rule, vocabulary)
        self._constraint.start()
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        rows = [
            Request(str(i), prompt.tokens, self._constraint, max_tokens=max_tokens, drafters=AUTO)
            for i, prompt in enumerate(asked)
        ]
        ended = sorted(Loop(self._model, slots=len(rows)).run(rows), key=lambda row: int(row.key))
        return Said(
            [row.text for row in ended],
            [row.stats.output_tokens for row in ended],
            [row.finish == "limit" for row in ended],
        )


class Library:
    """What the engines on the library's `generate` share: tokens in, texts and counts out."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = subject.library, tokenizer
        self.vocab_size: int = subject.library.config.vocab_size
        self.end = subject.lean.vocabulary.eos_id
        self.model.generation_config.eos_token_id = self.end
        self.model.generation_config.pad_token_id = self.end

    def generate(self, asked: list[Asked], max_tokens: int, processor: object = None) -> Said:
        """`model.generate`, greedy, under one logits processor."""
        tokens, real = padded([prompt.tokens for prompt in asked], self.model.device)
        whole = self.model.generate(
            input_ids=tokens, attention_mask=real, max_new_tokens=max_tokens,
            do_sample=False, logits_processor=[processor] if processor else None,
        )  # fmt: skip
        return self.said(whole[:, tokens.shape[1] :].tolist(), max_tokens)

    def said(self, output: list[list[int]], max_tokens: int) -> Said:
        """Cut each row of new tokens at its end token."""
        rows = [row[: row.index(self.end)] if self.end in row else row for row in output]
        texts = [self.tokenizer.decode(row, skip_special_tokens=True) for row in rows]
        return Said(texts, [len(row) for row in rows], [len(row) == max_tokens for row in rows])


class Unconstrained(Library):
    """The library's `generate` with no rule at all: what constraints are paid against."""

    def compile(self, work: Work) -> float:
        """See Engine: nothing is held."""
        return 0.0

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        return self.generate(asked, max_tokens)


class ContinuousBatching(Unconstrained):
    """transformers' own continuous batching, which takes no rule either."""

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine; `Skipped` where this device or version cannot."""
        from transformers import GenerationConfig

        config = GenerationConfig(
            max_new_tokens=max_tokens, do_sample=False,
            eos_token_id=self.end, pad_token_id=self.end,
        )  # fmt: skip
        try:
            made = self.model.generate_batch(
                [list(p.tokens) for p in asked], config, persistent_manager=True, warmup=False
            )
        except (RuntimeError, ValueError, ImportError, AttributeError) as error:
            raise Skipped(f"generate_batch does not run here: {error}") from error
        if len(made) < len(asked):
            raise Skipped("generate_batch gave fewer answers than there were prompts.")
        return self.said([list(made[key].generated_tokens) for key in sorted(made)], max_tokens)


class XGrammar(Library):
    """xgrammar's own logits processor for transformers."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(subject, tokenizer)
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            self.tokenizer, vocab_size=self.vocab_size, stop_token_ids=[self.end]
        )
        self._compiler = xgrammar.GrammarCompiler(info, cache_enabled=False)
        self._processor = xgrammar.contrib.hf.LogitsProcessor

    def compile(self, work: Work) -> float:
        """See Engine."""
        began = time.perf_counter()
        try:
            if work.kind == "json":
                self._grammar = self._compiler.compile_json_schema(
                    work.schema, any_whitespace=False, separators=(",", ":")
                )
            elif work.kind == "regex":
                self._grammar = self._compiler.compile_regex(work.rule)
            else:
                self._grammar = self._compiler.compile_grammar(work.gbnf)
        except RuntimeError as error:
            raise Skipped(f"xgrammar refuses it: {_first_line(error)}") from error
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine; a processor serves one call."""
        return self.generate(asked, max_tokens, self._processor(self._grammar))


class LLGuidance(Library):
    """llguidance's own torch helpers in a logits processor; its strict JSON compiler."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(subject, tokenizer)
        import llguidance.hf
        import llguidance.torch

        self._llguidance = llguidance
        self._tokens = llguidance.hf.from_tokenizer(
            tokenizer, n_vocab=self.vocab_size, eos_token=self.end
        )

    def compile(self, work: Work) -> float:
        """See Engine."""
        began, matchers = time.perf_counter(), self._llguidance.LLMatcher
        if work.kind == "json":
            options = {"whitespace_flexible": False}
            self._grammar = matchers.grammar_from_json_schema(work.rule, overrides=options)
        elif work.kind == "regex":
            self._grammar = matchers.grammar_from_regex(work.rule)
        else:
            self._grammar = matchers.grammar_from_lark(work.rule)
        complaint = self._matcher().get_error()
        if complaint:
            raise Skipped(f"llguidance refuses it: {_first_line(complaint)}")
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        matchers = [self._matcher() for _ in asked]
        masks = self._llguidance.torch.allocate_token_bitmask(len(asked), self.vocab_size)
        seen = max(len(prompt.tokens) for prompt in asked)

        def processor(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            nonlocal seen
            if ids.shape[1] > seen:
                seen = ids.shape[1]
                for matcher, token in zip(matchers, ids[:, -1].tolist(), strict=True):
                    if not matcher.is_stopped():
                        matcher.consume_token(token)
            for row, matcher in enumerate(matchers):
                self._llguidance.torch.fill_next_token_bitmask(matcher, masks, row)
            self._llguidance.torch.apply_token_bitmask_inplace(scores, masks)
            return scores

        return self.generate(asked, max_tokens, processor)

    def _matcher(self) -> LLMatcher:
        return self._llguidance.LLMatcher(self._tokens, self._grammar)


class FormatEnforcer(Library):
    """lm-format-enforcer's prefix function; it has no grammars."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(subject, tokenizer)
        from transformers import tokenization_utils_base

        # Its integration imports a module that transformers 5 renamed; all else of it works.
        sys.modules.setdefault("transformers.tokenization_utils", tokenization_utils_base)
        from lmformatenforcer.integrations import transformers as integration

        self._integration = integration
        self._tokens = integration.build_token_enforcer_tokenizer_data(tokenizer)

    def compile(self, work: Work) -> float:
        """See Engine."""
        from lmformatenforcer import JsonSchemaParser, RegexParser

        began = time.perf_counter()
        if work.kind == "grammar":
            raise Skipped("lm-format-enforcer has no grammars.")
        try:
            parser = (JsonSchemaParser(work.schema) if work.kind == "json"
                      else RegexParser(work.rule))  # fmt: skip
        except Exception as error:  # whatever it raises, it does not hold the rule
            raise Skipped(f"lm-format-enforcer refuses it: {_first_line(error)}") from error
        self._allowed = self._integration.build_transformers_prefix_allowed_tokens_fn(
            self._tokens, parser
        )
        return time.perf_counter() - began

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        from transformers import PrefixConstrainedLogitsProcessor

        return self.generate(
            asked, max_tokens, PrefixConstrainedLogitsProcessor(self._allowed, num_beams=1)
        )


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:200]
