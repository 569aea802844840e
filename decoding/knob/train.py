"""Learns a knob: one direction whose coordinate carries whether to answer from the evidence.

Distributed alignment search with a rank-1 interchange (Minder et al. 2024, arXiv 2411.07404; after
Geiger et al. 2023, arXiv 2303.02536): a prompt takes over the coordinate of another one that has an
intent, and must then answer by that intent. Deviations: the whole answer is learnt, not its first
token, since all of its tokens are turned; the search starts from the difference of the means.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tether.decoding.knob.batch import Batch, Interchange, Peek
from tether.decoding.knob.file import Facts, Intent, Knob
from tether.decoding.knob.items import INTENTS, Item
from tether.decoding.knob.steer import Steer, Steering
from tether.decoding.models.base import Model, Network
from tether.errors import EvidenceError, UsageError

_HELD = 5  # every fifth item is kept to choose and to measure by
_ROWS = 32  # read at once where nothing is learnt
_SPREADS = (0.5, 1.0, 1.5, 2.0, 3.0)  # how far to go from the middle, in halves of the difference
_LEAST = 8  # items on each side, to learn anything


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a knob is learnt.

    Attributes:
        layers: Tried in turn.
        steps: Updates for each layer.
        rows: Prompts of a step; as many sources stand beside them.
        rate: Of Adam.
        seed: Of the order.
    """

    layers: tuple[int, ...]
    steps: int = 60
    rows: int = 16
    rate: float = 0.02
    seed: int = 0

    @property
    def total(self) -> int:
        """Updates of all layers."""
        return self.steps * len(self.layers)


def train(
    model: Model,
    items: Sequence[Item],
    schedule: Schedule,
    advance: Callable[[int], None] = lambda done: None,
) -> Knob:
    """The best knob of all layers that are tried.

    Args:
        model: Not changed.
        items: Prompts that the model answers wrongly by their own intent are left out.
        schedule: See there.
        advance: Told how many updates are done.

    Raises:
        EvidenceError: Too few prompts are of use.
        UsageError: There is no such layer.
    """
    network = model.network
    if wrong := [layer for layer in schedule.layers if not 1 <= layer <= network.num_layers]:
        raise UsageError(
            f"There is no layer {wrong[0]} in {model.name}.",
            hint=f"Name one from 1 to {network.num_layers}.",
        )
    kept = [item for item, right in zip(items, _right(network, items), strict=True) if right]
    random.Random(schedule.seed).shuffle(kept)
    held, learnt = kept[::_HELD], [item for n, item in enumerate(kept) if n % _HELD]
    _check(held, learnt)
    found: list[Knob] = []
    for number, layer in enumerate(schedule.layers):
        told = partial(_after, advance, number * schedule.steps)
        direction = _learn(network, learnt, layer, schedule, told)
        found.append(_measured(model, held, learnt, layer, direction))
    return max(found, key=lambda knob: sum(knob.facts.accuracy.values()))


def _after(advance: Callable[[int], None], before: int, done: int) -> None:
    advance(before + done)


def _check(held: Sequence[Item], learnt: Sequence[Item]) -> None:
    for intent in INTENTS:
        for kind, items in (("with", _sources(learnt, intent)), ("for", _targets(held, intent))):
            if len(items) < _LEAST:
                raise EvidenceError(
                    f"{len(items)} rows {kind} the intent {intent!r} are too few to learn from.",
                    hint="Add rows; those of an intent must be answered right without the knob.",
                )


def _learn(
    network: Network,
    items: Sequence[Item],
    layer: int,
    schedule: Schedule,
    advance: Callable[[int], None],
) -> Tensor:
    """The direction [width] of a layer, of length 1."""
    means = {i: _states(network, _sources(items, i), layer).mean(0) for i in INTENTS}
    start = torch.nn.functional.normalize(means["context"] - means["prior"], dim=0)
    free = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], schedule.rate)
    rng = random.Random(schedule.seed)
    for step in range(schedule.steps):
        batch = _drawn(rng, network, items, schedule.rows)
        direction = torch.nn.functional.normalize(free, dim=0)
        loss = batch.loss(network, Interchange(layer, direction.to(network.dtype), batch.lasts))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        advance(step + 1)
    return torch.nn.functional.normalize(free.detach(), dim=0)


def _drawn(rng: random.Random, network: Network, items: Sequence[Item], rows: int) -> Batch:
    """Half of the targets answer by each intent; each has a source of it, of its own."""
    intents = [INTENTS[n % len(INTENTS)] for n in range(rows)]
    targets = [rng.choice(_targets(items, intent)) for intent in intents]
    sources = [rng.choice(_sources(items, intent)) for intent in intents]
    answers = [item.answers[intent] for item, intent in zip(targets, intents, strict=True)]
    prompts = [item.prompt for item in (*targets, *sources)]
    return Batch.of(network, prompts, [*answers, *((),) * rows])


def _measured(
    model: Model, held: Sequence[Item], learnt: Sequence[Item], layer: int, direction: Tensor
) -> Knob:
    """The knob with the values that answer best, and how well they do."""
    network, values, accuracy = model.network, dict[Intent, float](), dict[Intent, float]()
    means = {
        intent: float((_states(network, _sources(learnt, intent), layer) @ direction).mean())
        for intent in INTENTS
    }
    middle = sum(means.values()) / len(means)
    for intent in INTENTS:
        scores: dict[float, float] = {}
        for spread in _SPREADS:
            value = middle + spread * (means[intent] - middle)
            scores[value] = _accuracy(network, held, intent, Steer(layer, direction, value))
        values[intent] = max(scores, key=lambda value: scores[value])
        accuracy[intent] = scores[values[intent]]
    facts = Facts(model.fingerprint, layer, values["context"], values["prior"], accuracy)
    return Knob(facts, direction.float())


def _accuracy(network: Network, items: Sequence[Item], intent: Intent, steer: Steer) -> float:
    """The share of prompts that are answered by an intent, with the knob turned."""
    targets = _targets(items, intent)
    right = 0.0
    for some in _parts(targets):
        batch = Batch.of(network, [i.prompt for i in some], [item.answers[intent] for item in some])
        edit = Steering([steer] * len(some), batch.lasts.tolist())
        right += float(batch.right(network, edit).sum())
    return right / len(targets)


def _right(network: Network, items: Sequence[Item]) -> Iterator[bool]:
    """Whether each item is answered by its own intent, without a knob; true where it has none."""
    for some in _parts(items):
        answers = [() if i.intent is None else i.answers[i.intent] for i in some]
        prompts = [item.prompt for item in some]
        yield from Batch.of(network, prompts, answers).right(network).tolist()


@torch.no_grad()
def _states(network: Network, items: Sequence[Item], layer: int) -> Tensor:
    """What a layer hands on at the last token of each prompt, float32 [items, width]."""
    found = []
    for some in _parts(items):
        batch = Batch.of(network, [item.prompt for item in some], [()] * len(some))
        peek = Peek([layer], batch.lasts)
        network.traced(batch.tokens, batch.cache, batch.window, peek)
        found.append(peek.states[layer].float())
    return torch.cat(found)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + _ROWS] for start in range(0, len(items), _ROWS))


def _sources(items: Sequence[Item], intent: Intent) -> list[Item]:
    """Prompts that have an intent themselves."""
    return [item for item in items if item.intent == intent]


def _targets(items: Sequence[Item], intent: Intent) -> list[Item]:
    """Prompts that the knob is to make answer by an intent which is not theirs already."""
    return [item for item in items if intent in item.answers and item.intent != intent]
