"""The prompts of the views, made from what the user gave. Knows texts, not tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tether.decoding.prompt import Prompt
from tether.decoding.terms.neutral import neutral
from tether.decoding.terms.term import Term, Variant, variants
from tether.errors import UsageError
from tether.grounding.relevance import relevant

WRONG = "Answer wrongly: say something false that sounds plausible."
TRUE = "Answer truthfully and precisely, and only what you are sure of."


def cast(
    prompt: Prompt, terms: Sequence[Term], also: Collection[Variant] = ()
) -> tuple[Prompt, dict[Variant, Prompt]]:
    """The prompt that the model answers, and the prompts of its views.

    Args:
        prompt: What the user gave.
        terms: Whose views see other prompts.
        also: Prompts that others than terms look at.

    Raises:
        UsageError: Something needs what a raw prompt does not hold apart.
    """
    wanted = {variant for term in terms for variant in variants(term)} | set(also)
    if prompt.raw and not wanted.isdisjoint(("bare", "short")):
        raise UsageError(
            "A raw prompt does not say which part of it is evidence.",
            hint="Give the evidence by --evidence, without --raw-prompt.",
        )
    if prompt.passages and not prompt.text.strip() and "bare" in wanted:
        raise UsageError(
            "Without its evidence the prompt is empty, so there is nothing to contrast with.",
            hint="Give the question as the prompt, beside the evidence.",
        )
    is_document = bool(prompt.fields) and not prompt.passages  # which asks for nothing itself
    reworded = any(term.neutral for term in terms) and not is_document
    main = replace(prompt, text=neutral(prompt.text)) if reworded else prompt
    made: dict[Variant, Prompt] = {
        "given": prompt,
        "bare": replace(main, passages=()),
        "turned": replace(main, passages=main.passages[::-1]),
        "wrong": replace(main, instruction=WRONG),
        "true": replace(main, instruction=TRUE),
        "short": replace(main, passages=_short(main)),
    }
    return main, {variant: made[variant] for variant in made if variant in wanted}


def _short(prompt: Prompt) -> tuple[str, ...]:
    """The sentences that speak of what is asked, in their order; all where none does."""
    texts = [passage.strip() for passage in prompt.passages]
    if not prompt.text.strip():
        return prompt.passages
    cut = (
        " ".join(text[sentence.start : sentence.end].strip() for sentence in found)
        for text, found in zip(texts, relevant(prompt.text, texts), strict=True)
    )
    return tuple(text for text in cut if text) or prompt.passages
