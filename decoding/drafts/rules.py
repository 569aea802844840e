"""Rules by which drafts of a model with probabilities are accepted, each as the law of its outcome.

Drawn from p by the row's own noise, tokens need none of this: that rule (`match`) is the default,
and under it a row says the same with drafts and without. The rules here take more of the tokens of
a good draft model; what they say follows the model's distribution exactly (but for `typical`), yet
is another sample of it than without drafts.

In this file p is float [length + 1, vocab], the model's distribution after the mask, temperature
and truncation, before and after each token of a chain; q is float [length, vocab], the one each
token was drawn from. Sources: token rule, Leviathan et al. 2023 (arXiv 2211.17192); recursive rule
without replacement, Jeon et al. 2024 (2402.14160); block rule, Sun et al. 2024 (2403.10444);
typical acceptance, Cai et al. 2024 (2401.10774).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Law:
    """What may become of a draft, and how likely each is.

    Attributes:
        accept: float [length + 1], the chance to accept exactly the first n tokens; sums to 1. Of
            candidates for one place: to accept the n-th of them, and last, none.
        follow: float [length + 1, vocab], the distribution of the token after these n; of
            candidates [vocab], where none is accepted.
    """

    accept: Tensor
    follow: Tensor


def token_rule(p: Tensor, q: Tensor, tokens: Sequence[int]) -> Law:
    """Accept a token with min(1, p / q) where all before it are; else draw from what q left of p.

    A draft that was not drawn is a q of one token: then p(token) accepts it, and another one
    follows by p without it, as if the token had been drawn from p.
    """
    ids = torch.tensor(tokens, dtype=torch.int64, device=p.device)[:, None]
    rates = (p[:-1].gather(1, ids) / q.gather(1, ids))[:, 0].clamp(max=1)
    reached = torch.cat([rates.new_ones(1), rates.cumprod(0)])
    refused = torch.cat([1 - rates, rates.new_ones(1)])
    return Law(reached * refused, torch.cat([leftover(p[:-1], q), p[-1:]]))


def block_rule(p: Tensor, q: Tensor, tokens: Sequence[int]) -> Law:
    """Accept by how likely the tokens are together: never fewer of them than by the token rule.

    One step may refuse what a later one accepts after all: the last that accepts counts.
    """
    weight = p.new_ones(())
    weights, accepts = [weight], [p.new_ones(())]  # before the first token there is no refusal
    for place, token in enumerate(tokens):
        weight = (weight * p[place, token] / q[place, token]).clamp(max=1)
        weights.append(weight)
        left = weight if place == len(tokens) - 1 else _left(weight, p[place + 1], q[place + 1])
        accepts.append(left)
    chance = torch.stack(accepts).clamp(max=1)  # where p is q, rounding may say a little more
    later_refuse = (1 - chance[1:]).flip(0).cumprod(0).flip(0)
    accept = chance * torch.cat([later_refuse, later_refuse.new_ones(1)])
    scaled = torch.stack(weights)[:-1, None] * p[:-1]
    return Law(accept, torch.cat([leftover(scaled, q, p[:-1]), p[-1:]]))


def candidates_rule(p: Tensor, q: Tensor, tokens: Sequence[int]) -> Law:
    """Candidates for one place, drawn from q one after another, none twice.

    Each is accepted with min(1, p / q); if not, p is what q left of it, and q the rest without the
    token.

    Args:
        p: [vocab].
        q: [vocab].
        tokens: In the order in which they were drawn.
    """
    accept, reached = [], p.new_ones(())
    for token in tokens:
        rate = (p[token] / q[token]).clamp(max=1)
        accept.append(reached * rate)
        reached = reached * (1 - rate)
        p, q = leftover(p, q), without(q, token)
    return Law(torch.stack([*accept, reached]), p)


def typical_rule(p: Tensor, tokens: Sequence[int], least: float = 0.09, depth: float = 0.3) -> Law:
    """Accept tokens as long as they are typical. This changes the law of the text.

    Args:
        p: [length + 1, vocab].
        tokens: Of the chain.
        least: See `is_typical`.
        depth: See `is_typical`.
    """
    taken = 0
    while taken < len(tokens) and is_typical(p[taken], tokens[taken], least, depth):
        taken += 1
    accept = torch.zeros(len(tokens) + 1, dtype=p.dtype, device=p.device)
    accept[taken] = 1
    return Law(accept, p)


def is_typical(p: Tensor, token: int, least: float = 0.09, depth: float = 0.3) -> bool:
    """Whether a token is likely enough for how sure the model is.

    Args:
        p: [vocab].
        token: The token.
        least: With this probability it is, however sure the model is.
        depth: Times exp(-entropy): this probability is enough where the model is unsure.
    """
    entropy = -torch.xlogy(p, p).sum()
    return float(p[token]) > min(least, depth * float((-entropy).exp()))


def leftover(p: Tensor, q: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """What q leaves of p, normalised, [..., vocab]; where that is nothing, `otherwise` (or p).

    It is nothing where p is q, up to rounding: then no token is refused, and any answer will do.
    """
    left = (p - q).clamp(min=0)
    mass = left.sum(-1, keepdim=True)
    return torch.where(mass > 0, left / mass, p if otherwise is None else otherwise)


def without(q: Tensor, token: int) -> Tensor:
    """A distribution [vocab] without one of its tokens, normalised."""
    rest = q.clone()
    rest[token] = 0
    mass = rest.sum()
    return rest / mass if float(mass) > 0 else rest


def _left(weight: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """The chance to accept at a place, given that all later ones refuse."""
    mass = (weight * p - q).clamp(min=0).sum()
    whole = mass + 1 - weight
    return torch.where(whole > 0, mass / whole, torch.ones_like(whole))
