"""What one row asks for and what it gets back. Data only: no tensors, no torch import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from tether.decoding.terms.term import Term, Variant
from tether.grammars.constraint import Constraint
from tether.grounding.evidence import Source
from tether.types import FinishReason

DraftRule = Literal["match", "token", "block", "paths", "rsd"]
Lossy = Literal["off", "typical", "judge", "arbitrage"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen once the mask is applied. temperature 0 is greedy.

    Attributes:
        temperature: Divides the scores; 0 means the arg max (ties: lowest token id).
        top_k: Keep the k best tokens; 0 keeps all.
        top_p: Keep the smallest set of best tokens whose mass reaches top_p; 1 keeps all.
        min_p: Keep tokens of at least min_p times the best probability; 0 keeps all.
        typical_p: Keep the tokens whose surprise is nearest to the entropy, up to this mass, after
            the others; 1 keeps all.
        repetition_penalty: Multiplies the (negative) scores of seen tokens; 1 is off. Scores are
            log-probabilities, so a shift of the logits changes nothing.
        logit_bias: Added to the score of a token id, before the penalty.
        order: "hf" truncates after temperature, "llamacpp" before it.
        seed: With the row's key and the position, the whole source of randomness.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    order: Literal["hf", "llamacpp"] = "hf"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One row to decode.

    Attributes:
        key: Names the row; with the seed it keys the noise, so a row draws the same tokens alone,
            in any batch and after a resume.
        prompt: Token ids of the whole prompt, not empty.
        constraint: What may be said; None is free text that ends at an end-of-text token.
        sampling: How tokens are chosen.
        max_tokens: The most output tokens, forced ones and thinking included.
        think: Text that ends a free reasoning preamble; None for no preamble.
        stop: Texts that end free text (constraint None) where they appear; not part of the output.
        terms: Methods of contrast that reshape the choice.
        prompts: Token ids of the prompts that the terms' views see in place of `prompt`.
        heal: Whether the prompt may end inside a token; the loop then sets `again`.
        again: Tokens taken off the prompts: what is said first begins with their bytes, which are
            no part of the text and cost nothing of `max_tokens`.
        sources: Evidence that is looked up for every token.
        extract: Whether quotes of the evidence are the most probable ones, found by a search.
        drafters: What drafts tokens ahead, by the names of `drafts/registry.py`; changes speed
            alone.
        draft_tokens: The most that are drafted at once.
        draft_rule: How drafts of a model are accepted (`drafts/rules.py`). All but `match` draw
            another sample of the same distribution than without drafts.
        lossy: What takes drafted tokens in the place of the row's choice: those that are likely
            enough, or whose states a judge likes, or the steps that it would keep. Another text.
        lossy_at: The chance above which the judge takes them; 1 takes none.
        cancel: Set by another thread to end the row before its time.
    """

    key: str
    prompt: tuple[int, ...]
    constraint: Constraint | None = None
    sampling: Sampling = Sampling()
    max_tokens: int = 512
    think: str | None = None
    stop: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    prompts: Mapping[Variant, tuple[int, ...]] = field(default_factory=dict)
    heal: bool = False
    again: tuple[int, ...] = ()
    sources: tuple[Source, ...] = ()
    extract: bool = False
    drafters: tuple[str, ...] = ()
    draft_tokens: int = 16
    draft_rule: DraftRule = "match"
    lossy: Lossy = "off"
    lossy_at: float = 0.5
    cancel: Event | None = None


@dataclass(frozen=True, slots=True)
class RowStats:
    """Counts of one row. Times are wall seconds since the row got its slot.

    `view_forwards` counts the forwards of its views apart from its own; `expert_tokens` the
    choices that the expert made in the model's stead; `accepted_tokens` the drafted tokens that the
    text then had, forced ones among them.
    """

    prompt_tokens: int
    output_tokens: int
    forced_tokens: int
    thought_tokens: int
    forwards: int
    taken_back_tokens: int
    first_token_s: float
    total_s: float
    view_forwards: int = 0
    expert_tokens: int = 0
    drafted_tokens: int = 0
    lossy_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request.

    Attributes:
        key: The request's key.
        text: The payload. Complete and valid only where `finish` is "stop".
        thought: The reasoning preamble, without its delimiter; empty without `think`.
        tokens: Output token ids, the end token left out.
        finish: Why the row ended.
        message: For people, where finish is not "stop".
        stats: Counts and times.
        support: By the number of a passage, how many output tokens the sources found in it; a
            token that several passages hold counts for each by its part.
    """

    key: str
    text: str
    thought: str
    tokens: tuple[int, ...]
    finish: FinishReason
    message: str
    stats: RowStats
    support: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of a row while it is being decoded, for `--stream`."""

    key: str
    kind: Literal["text", "thought"]
    text: str
