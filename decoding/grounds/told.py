"""What a prompt holds of the passages: their tokens and their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tether.decoding.grounds.ground import Given, Told
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt

if TYPE_CHECKING:
    from tether.grounding.graph.graph import Graph
    from tether.grounding.index import Index


def given(
    model: Model,
    ids: tuple[int, ...],
    prompt: Prompt,
    index: Index | None = None,
    graph: Graph | None = None,
) -> Given:
    """What the row of a prompt was given; without passages, its text is what is read.

    Args:
        model: Its vocabulary made the ids.
        ids: Token ids of the whole prompt.
        prompt: What they were made from.
        index: Of a larger corpus.
        graph: What a query speaks of.
    """
    if not prompt.passages:
        return Given(model, told(model, ids, (prompt.text,)), "", index, graph)
    return Given(model, told(model, ids, prompt.passages), prompt.text, index, graph)


def told(model: Model, prompt: tuple[int, ...], passages: tuple[str, ...]) -> tuple[Told, ...]:
    """Passages with their tokens and their places in a prompt.

    Args:
        model: Its vocabulary made the prompt.
        prompt: Token ids.
        passages: In the order in which the prompt holds them.
    """
    vocabulary = model.vocabulary
    ends, size = [], 0
    for token in prompt:
        size += len(vocabulary.tokens[token])
        ends.append(size)
    text = b"".join(vocabulary.tokens[token] for token in prompt)
    return tuple(_told(model, prompt, text, ends, passages))


def _told(
    model: Model, prompt: tuple[int, ...], text: bytes, ends: list[int], passages: tuple[str, ...]
) -> Iterator[Told]:
    at = 0
    for passage in passages:
        wanted = passage.strip().encode()
        found = text.find(wanted, at) if wanted else -1
        if found < 0:  # the template cut or respelled it
            yield Told(passage, tuple(model.vocabulary.encode(passage)))
            continue
        at = found + len(wanted)
        first = next(n for n, end in enumerate(ends) if end > found)
        last = next(n for n, end in enumerate(ends) if end >= at)
        yield Told(passage, prompt[first : last + 1], first)
