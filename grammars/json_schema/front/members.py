"""The members of an object as parametric rules: one bit of the parameter for each known key.

`NAMEm` is a member that must come next, `NAMEr` what may follow one: the end, or a comma and
another member. The parameter holds which known keys are written; where members are counted, the
bits above count the commas. No condition lets a text into a place where it cannot end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tether.grammars.json_schema.front.grammar import Grammar

_MOST_BITS = 50
"""Known keys that have a bit; the counter of commas takes the bits above."""
_COUNT = f"[{_MOST_BITS}:64]"
_MOST_COUNTED = 4000
_MOST_AWAITED = 6
"""Required keys whose absence is told apart where members are counted."""


@dataclass(frozen=True, slots=True)
class Member:
    """A known key and its value; `key` and `value` are expressions of the grammar."""

    key: str
    value: str
    required: bool


@dataclass(frozen=True, slots=True)
class Members:
    """What an object may hold.

    Attributes:
        known: The named members, in declared order.
        extras: Expressions of the other members, key and value.
        low: The fewest members.
        high: The most; None for any number.
        ordered: Whether known members keep their order, and extras come last.
        extras_wait: Whether extras wait for every required member.
    """

    known: Sequence[Member]
    extras: Sequence[str]
    low: int = 0
    high: int | None = None
    ordered: bool = False
    extras_wait: bool = False

    @property
    def num_required(self) -> int:
        """How many known members must be there."""
        return sum(member.required for member in self.known)


def write_object(grammar: Grammar, name: str, members: Members) -> None:
    """Define the rule `name` as the objects with these members."""
    members = _settled(grammar, members)
    may_be_empty = not members.low and not members.num_required
    starts = ['LB "}"'] if may_be_empty else []
    if members.high == 0 or not (members.known or members.extras):
        grammar.rule(name, *(starts or ['LB "}"']))
    elif members.known:
        grammar.rule(name, *starts, f"LB {name}m::0")
        _write_members(grammar, name, members)
    else:
        grammar.rule(name, *starts, _free_members(members))


def _settled(grammar: Grammar, members: Members) -> Members:
    """The same with only the counts that matter and that a parameter can hold."""
    low, high, most = members.low, members.high, len(members.known)
    low = 0 if low <= members.num_required else low
    high = None if high is not None and not members.extras and high >= most else high
    crowded = most >= _MOST_BITS and (low or high is not None)
    unclear = bool(members.extras) and high is not None and members.num_required > _MOST_AWAITED
    if crowded or unclear or max(low, high or 0) > _MOST_COUNTED:
        grammar.loosen()
        low, high = (0 if crowded else min(low, 1)), None
    same = (low, high) == (members.low, members.high)
    return members if same else replace(members, low=low, high=high)


def _free_members(members: Members) -> str:
    """Members without known keys: nothing to remember."""
    extra = members.extras[0] if len(members.extras) == 1 else f"({' | '.join(members.extras)})"
    if members.high == 1:
        return f"LB {extra} RB"
    least = max(members.low - 1, 0)
    most = "" if members.high is None else str(members.high - 1)
    times = f"{{{least},{most}}}" if least or most else "*"
    return f"LB {extra} (COMMA {extra}){times} RB"


def _write_members(grammar: Grammar, name: str, members: Members) -> None:
    if not members.ordered:
        writer: _AnyOrder | _Ordered | _Places = _AnyOrder(members)
    else:
        writer = (_Ordered if len(members.known) < _MOST_BITS else _Places)(members)
    if not members.ordered and len(members.known) > _MOST_BITS:
        grammar.loosen()
    counts = members.low or members.high is not None
    step = f"incr({_COUNT})" if counts else "_"
    grammar.rule(f"{name}m::_", *writer.alternatives(f"{name}r"))
    more = f"COMMA {name}m::{step}{_if(writer.room)}"
    grammar.rule(f"{name}r::_", f"RB{_if(writer.complete)}", more)


def _if(conditions: Sequence[str]) -> str:
    """The condition of a parametric alternative."""
    return f" %if {_fold('and', conditions)}" if conditions else ""


def _fold(operator: str, conditions: Sequence[str]) -> str:
    """Conditions joined; the engine's `and` and `or` take two."""
    text = conditions[-1]
    for condition in reversed(conditions[:-1]):
        text = f"{operator}({condition}, {text})"
    return text


class _AnyOrder:
    """Members in any order; required ones have the lowest bits."""

    def __init__(self, members: Members) -> None:
        self._members = members
        by_need = sorted(members.known, key=lambda m: not m.required)
        self._known, self._unnumbered = by_need[:_MOST_BITS], by_need[_MOST_BITS:]
        self._needed = sum(m.required for m in self._known)

    def alternatives(self, rest: str) -> Iterator[str]:
        """The next member, followed by the rule `rest`."""
        for bit, member in enumerate(self._known):
            fits = [] if member.required else self._spare
            yield (
                f"{member.key} {member.value} {rest}::set_bit({bit})"
                f"{_if([f'bit_clear({bit})', *fits])}"
            )
        for member in self._unnumbered:
            yield f"{member.key} {member.value} {rest}::_"
        wait = self._present if self._members.extras_wait else []
        yield from (f"{e} {rest}::_{_if([*wait, *self._spare])}" for e in self._members.extras)

    @property
    def complete(self) -> list[str]:
        """Conditions under which the object may end."""
        low = self._members.low
        return [*self._present, *([f"ge({_COUNT}, {low - 1})"] if low > 1 else [])]

    @property
    def room(self) -> list[str]:
        """Conditions under which another member may come."""
        limits = self._limits
        if not limits:
            return []
        return [_fold("or", [*(f"not({c})" for c in self._present), _fold("and", limits)])]

    @property
    def _present(self) -> list[str]:
        return [f"is_ones([0:{self._needed}])"] if self._needed else []

    @property
    def _limits(self) -> list[str]:
        """Conditions for a member more, once the required ones are there."""
        high, size = self._members.high, len(self._known)
        if self._members.extras or self._unnumbered:
            return [] if high is None else [f"lt({_COUNT}, {high - 1})"]
        most = size - self._needed if high is None else high - self._needed
        return (
            [f"bit_count_lt([{self._needed}:{size}], {most})"]
            if size > self._needed
            else ["lt(_, 0)"]
        )

    @property
    def _spare(self) -> list[str]:
        """Conditions under which a member that is not required leaves room for those that are."""
        high, size = self._members.high, len(self._known)
        if high is None:
            return []
        if not self._members.extras:
            return [f"bit_count_lt([{self._needed}:{size}], {high - self._needed})"]
        if not self._needed:
            return [f"lt({_COUNT}, {high})"]
        return [_fold("or", [*self._spare_by_presence(high)])]

    def _spare_by_presence(self, high: int) -> Iterator[str]:
        for there in range(self._needed + 1):
            left = high - (self._needed - there)
            if left > 0:
                yield f"and(bit_count_eq([0:{self._needed}], {there}), lt({_COUNT}, {left}))"


class _Ordered:
    """Known members in their order, then extras."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._size = len(members.known)
        self._last_needed = max((i for i, m in enumerate(members.known) if m.required), default=-1)

    def alternatives(self, rest: str) -> Iterator[str]:
        """The next member, followed by the rule `rest`."""
        members, before = self._members, -1
        after = members.num_required
        for bit, member in enumerate(members.known):
            after -= member.required
            fits = [
                f"is_zeros([{bit}:{self._size + 1}])",
                *self._has(before),
                *self._counts(bit, after),
            ]
            yield f"{member.key} {member.value} {rest}::set_bit({bit}){_if(fits)}"
            before = bit if member.required else before
        limit = [] if members.high is None else [f"lt({_COUNT}, {members.high})"]
        for extra in members.extras:
            fits = [*self._has(self._last_needed), *limit]
            yield f"{extra} {rest}::set_bit({self._size}){_if(fits)}"

    @property
    def complete(self) -> list[str]:
        """Conditions under which the object may end."""
        low = self._members.low
        enough = [f"ge({_COUNT}, {low - 1})"] if low > 1 else []
        return [*self._has(self._last_needed), *enough]

    @property
    def room(self) -> list[str]:
        """Conditions under which another member may come."""
        high = self._members.high
        limit = [] if high is None else [f"lt({_COUNT}, {high - 1})"]
        return limit if self._members.extras else [f"bit_clear({self._size - 1})", *limit]

    def _has(self, bit: int) -> list[str]:
        return [f"bit_set({bit})"] if bit >= 0 else []

    def _counts(self, bit: int, after: int) -> Iterator[str]:
        """Room for the `after` required ones behind this; enough members left for the fewest."""
        if self._members.high is not None:
            yield f"lt({_COUNT}, {self._members.high - after})"
        short = self._members.low - (self._size - bit)
        if short > 0 and not self._members.extras:
            yield f"ge({_COUNT}, {short})"


class _Places:
    """Known members in their order where they are too many for bits: the parameter is a place."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._size = len(members.known)
        needed = [i for i, m in enumerate(members.known, 1) if m.required]
        self._last_needed = needed[-1] if needed else 0

    def alternatives(self, rest: str) -> Iterator[str]:
        """The next member, followed by the rule `rest`."""
        before = 0
        for place, member in enumerate(self._members.known, 1):
            fits = [f"lt(_, {place})", *self._from(before)]
            yield f"{member.key} {member.value} {rest}::{place}{_if(fits)}"
            before = place if member.required else before
        for extra in self._members.extras:
            yield f"{extra} {rest}::{self._size}{_if(self._from(self._last_needed))}"

    @property
    def complete(self) -> list[str]:
        """Conditions under which the object may end."""
        return self._from(self._last_needed)

    @property
    def room(self) -> list[str]:
        """Conditions under which another member may come."""
        return [] if self._members.extras else [f"lt(_, {self._size})"]

    def _from(self, place: int) -> list[str]:
        return [f"ge(_, {place})"] if place else []
