"""Training of a judge of drafts: right tokens and steps against wrong ones, on texts with answers.

The model is only read. An example is a beginning of a right answer with a drafted step after it:
the answer's own, or one that leaves it for other words of the prompt, as copies do. Its tokens are
right up to the first that leaves the answer, which is the wrong one, as in annotated answers (Judge
Decoding); the step is worth keeping where it is right, or where the model's own likeliest tokens
are not right either (the advantage of Arbitrage is then none). Both heads are logistic regressions
with the two classes weighed alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.drafts.judge import Judge
from tether.decoding.models.base import Model, Network
from tether.decoding.states import read

_LONGEST = 8  # tokens of a step
_EACH = 6  # steps of a text
_DECAY = 1e-3  # weight of the squared weights
_ROUNDS = 200  # of the optimiser


@dataclass(frozen=True, slots=True)
class Answered:
    """A text with its right answer.

    Attributes:
        prompt: Token ids.
        answer: Token ids.
    """

    prompt: Sequence[int]
    answer: Sequence[int]


@dataclass(frozen=True, slots=True)
class Cases:
    """What heads learn from.

    Attributes:
        tokens: float [n, width], states after drafted tokens.
        right: float [n], 1 for right ones.
        steps: float [m, width], mean states of steps.
        good: float [m], 1 for those that the model's own would be no better than.
    """

    tokens: Tensor
    right: Tensor
    steps: Tensor
    good: Tensor


def cases(model: Model, texts: Iterable[Answered], seed: int) -> Cases:
    """Steps of some texts, as the model reads them."""
    rng = random.Random(seed)
    found = [case for text in texts for case in _of_text(model.network, text, rng)]
    tokens, right, steps, good = zip(*found, strict=True)
    return Cases(torch.cat(tokens), torch.cat(right), torch.stack(steps), torch.tensor(good))


def train(found: Cases) -> Judge:
    """Heads for these cases."""
    return Judge(_fitted(found.tokens, found.right), _fitted(found.steps, found.good))


def surety(judge: Judge, found: Cases) -> tuple[float, float]:
    """How often the heads put a right case above a wrong one, for tokens and for steps (AUC)."""
    return (
        _auc(found.tokens @ judge.token[:-1], found.right),
        _auc(found.steps @ judge.step[:-1], found.good),
    )


def _of_text(
    network: Network, text: Answered, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
    prompt, answer = list(text.prompt), list(text.answer)
    states = _states(network, [*prompt, *answer], len(prompt) - 1)
    own = network.head(states).argmax(1).tolist()
    for _ in range(_EACH):
        at = rng.randrange(len(answer))
        size = min(_LONGEST, len(answer) - at)
        step, same = _step(prompt, answer[at : at + size], rng)
        seen = _states(network, [*prompt, *answer[:at], *step], len(prompt) + at)
        right = torch.ones(min(same + 1, len(step)))
        right[same:] = 0.0
        is_good = same == len(step) or own[at : at + len(step)] != answer[at : at + len(step)]
        yield seen[: len(right)], right, seen.mean(0), float(is_good)


def _step(prompt: list[int], right: list[int], rng: random.Random) -> tuple[list[int], int]:
    """A drafted step, and how many of its tokens are right."""
    kept = rng.randrange(len(right)) if rng.random() < 0.5 else len(right)
    start = rng.randrange(len(prompt))
    step = right[:kept] + prompt[start : start + len(right) - kept]
    same = next((n for n, (a, b) in enumerate(zip(step, right, strict=False)) if a != b), len(step))
    return step, same


def _states(network: Network, tokens: list[int], first: int) -> Tensor:
    """What the head reads after the tokens from a place on, [n, width]."""
    return torch.cat([found for _, found in read(network, [tokens])])[first:].float().clone()


def _fitted(states: Tensor, labels: Tensor) -> Tensor:
    """Logistic regression, float [width + 1]."""
    head = torch.zeros(states.shape[1] + 1, requires_grad=True)
    share = labels.mean().clamp(1e-3, 1 - 1e-3)
    weights = torch.where(labels > 0, 0.5 / share, 0.5 / (1 - share))
    optimiser = torch.optim.LBFGS([head], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        odds = states @ head[:-1] + head[-1]
        total = F.binary_cross_entropy_with_logits(odds, labels, weights)
        total = total + _DECAY * head[:-1].square().sum()
        torch.autograd.backward(total)
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return head.detach()


def _auc(scores: Tensor, labels: Tensor) -> float:
    """The share of pairs of a right and a wrong case that are in order."""
    ranks = scores.argsort().argsort().double()
    count = float(labels.sum())
    wrong = len(labels) - count
    return float((ranks[labels > 0].sum() - count * (count - 1) / 2) / (count * wrong))
