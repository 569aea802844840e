"""The laws of Constraint and Matcher as checks that any implementation can be run through.

Each check takes a state, leaves it as it was, and raises AssertionError where the law is broken.
`walk` visits states by random allowed tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tether.grammars.constraint import Constraint, Matcher, allowed_ids


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a caller can see of a state."""

    allowed: tuple[int, ...]
    forced: tuple[int, ...]
    can_end: bool
    ended: bool


def observe(matcher: Matcher) -> Observation:
    """What the state shows now."""
    allowed = tuple(int(t) for t in allowed_tokens(matcher))
    return Observation(allowed, tuple(matcher.forced()), matcher.can_end, matcher.ended)


def allowed_tokens(matcher: Matcher) -> Sequence[int]:
    """The tokens in the mask, ascending."""
    mask = np.empty(matcher.vocabulary.num_words, dtype=np.int32)
    mask.fill(0x55555555)  # fill_mask must overwrite, not merge
    matcher.fill_mask(mask)
    tokens: Sequence[int] = allowed_ids(mask).tolist()
    return tokens


def walk(constraint: Constraint, seed: int, steps: int) -> Iterator[Matcher]:
    """States on one random way of at most `steps` tokens; the same object each time.

    The end token is taken only where nothing else is allowed, so that ways are long.
    """
    choose = random.Random(seed)
    matcher = constraint.start()
    yield matcher
    for _ in range(steps):
        if matcher.ended:
            return
        allowed = list(allowed_tokens(matcher))
        going_on = [t for t in allowed if t != constraint.vocabulary.eos_id]
        matcher.advance(choose.choice(going_on or allowed))
        yield matcher


def check_mask_law(matcher: Matcher) -> None:
    """Mask = {t : prefix_length([t]) == 1}, never empty; the end token is in it iff can_end."""
    allowed = set(allowed_tokens(matcher))
    single = {t for t in range(matcher.vocabulary.size) if matcher.prefix_length([t]) == 1}
    assert allowed, "the mask is empty"
    assert allowed == single, (
        f"mask only: {_some(allowed - single)}, prefix_length only: {_some(single - allowed)}"
    )
    end = matcher.vocabulary.eos_id
    assert (end in allowed) == matcher.can_end, "the end token's bit differs from can_end"
    silent = {t for t in allowed if not matcher.vocabulary.tokens[t]} - {end}
    special = allowed & matcher.vocabulary.special_ids - {end}
    assert not silent, f"tokens without text are allowed: {_some(silent)}"
    assert not special, f"special tokens are allowed: {_some(special)}"
    if matcher.ended:
        assert allowed == {end}, "an ended matcher allows more than the end token"


def check_rollback_law(matcher: Matcher, seed: int = 0, depth: int = 6) -> None:
    """rollback(n) after n advances changes nothing that can be seen, for n up to `depth`."""
    before = observe(matcher)
    choose = random.Random(seed)
    trail = []
    for _ in range(depth):
        trail.append(observe(matcher))
        matcher.advance(choose.choice(trail[-1].allowed))
    while trail:
        step = min(len(trail), 1 + choose.randrange(3))
        matcher.rollback(step)
        seen = trail[-step]
        del trail[-step:]
        assert observe(matcher) == seen, f"after rollback({step}) the state differs"
    assert observe(matcher) == before, "rolling everything back does not restore the state"


def check_forced_law(matcher: Matcher) -> None:
    """Each forced token is in the mask of its state, the end token never; nothing else can follow.

    The bytes are forced: an allowed token must start like the forced bytes or spell a part.
    """
    before = observe(matcher)
    end = matcher.vocabulary.eos_id
    assert end not in before.forced, "the end token is forced"
    data = matcher.vocabulary.decode_bytes(before.forced)
    for taken, token in enumerate(before.forced):
        allowed = allowed_tokens(matcher)
        assert token in allowed, f"forced token {token} is not in the mask after {taken}"
        assert not matcher.can_end, "forced where the text may end"
        for other in allowed:
            text = matcher.vocabulary.tokens[other]
            assert data.startswith(text) or text.startswith(data), f"{text!r} is allowed too"
        data = data[len(matcher.vocabulary.tokens[token]) :]
        matcher.advance(token)
    matcher.rollback(len(before.forced))
    assert observe(matcher) == before, "asking for forced tokens changed the state"


def check_fork_law(matcher: Matcher) -> None:
    """A fork shows what its origin shows, and neither moves when the other does."""
    before = observe(matcher)
    fork = matcher.fork()
    assert observe(fork) == before, "a fork differs from its origin"
    fork.advance(before.allowed[-1])
    assert observe(matcher) == before, "advancing a fork moved its origin"
    moved = observe(fork)
    matcher.advance(before.allowed[0])
    matcher.rollback(1)
    assert observe(fork) == moved, "advancing the origin moved its fork"


def check_prefix_law(matcher: Matcher, tokens: Sequence[int]) -> None:
    """prefix_length(tokens) is the number of advances that the masks allow, one by one."""
    said = matcher.prefix_length(tokens)
    taken = 0
    for token in tokens:
        if token not in allowed_tokens(matcher):
            break
        matcher.advance(token)
        taken += 1
    matcher.rollback(taken)
    assert said == taken, f"prefix_length says {said}, the masks allow {taken}"


def check_intersection_law(whole: Matcher, members: Sequence[Matcher]) -> None:
    """The mask of All(...) lies in every member's mask, and it may end only where all may."""
    allowed = set(allowed_tokens(whole))
    for member in members:
        assert allowed <= set(allowed_tokens(member)), "All allows what a member refuses"
    assert whole.can_end == all(member.can_end for member in members), "can_end is not the AND"


def _some(tokens: set[int]) -> list[int]:
    return sorted(tokens)[:8]
