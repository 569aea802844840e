"""A string that matches some patterns and not others, within lengths: a walk through automata.

Patterns to be matched are walked one state at a time, those not to be matched by sets of states:
only where a pattern must fail does it matter where else it could stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from heapq import heapify, heappop, heappush
from itertools import product

from tether.grammars.json_schema.front.automaton import Branches, Loose
from tether.grammars.json_schema.front.charset import Ranges
from tether.grammars.json_schema.front.pattern_reader import Chars, NotRegular
from tether.grammars.json_schema.front.patterns import pattern_language
from tether.grammars.json_schema.witness.effort import Effort

_LIKED = "aA0bcdxyz19_ -/.:@"
"""Characters to stand for others of their kind, best first."""
_HURRY = 5000
"""Places that are looked at in a hurry, before all of them are."""
_NEVER = 1 << 20
_SURROGATES = range(0xD800, 0xE000)

Place = tuple[tuple[int, ...], tuple[int, ...]]
"""A state for each pattern to match, and a set of states, as bits, for each not to match."""


@dataclass(frozen=True)
class Words:
    """What is asked of a string.

    Attributes:
        matching: Patterns that find a match in it.
        failing: Patterns that find none.
        low: The fewest characters.
        high: The most; None for any number.
        excluded: What it is not.
    """

    matching: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    low: int = 0
    high: int | None = None
    excluded: tuple[str, ...] = ()


def word(asked: Words, effort: Effort) -> str | None:
    """A string that is as asked, rather a short one; None where there is none.

    Where a pattern cannot be read, or the search ends early, `effort` is not sure any more.
    """
    if set(asked.matching).intersection(asked.failing):
        return None
    try:
        search = _Search(asked, effort)
    except NotRegular:
        effort.doubt()
        return None
    return search.word(effort)


class _Machine:
    """One pattern: states to read a letter in, and the end."""

    def __init__(self, branches: Branches) -> None:
        loose = Loose()
        self.end = loose.either(0, branches)
        self._loose = loose
        self.reads = loose.reads
        self.start = loose.closure(0)
        self.after, self.after_all = cache(self._after), cache(self._after_all)
        self.live = cache(self._live)

    def _after(self, state: int, letter: int) -> int:
        """The states after a letter, as bits."""
        ranges, target = self.reads.get(state, ((), 0))
        held = any(low <= letter <= high for low, high in ranges)
        return self._loose.closure(target) if held else 0

    def _after_all(self, states: int, letter: int) -> int:
        """The states after a letter from any of some."""
        reached = 0
        for state in self.live(states):
            reached |= self.after(state, letter)
        return reached

    def _live(self, states: int) -> tuple[int, ...]:
        """Those of some states that read a letter or are the end."""
        return tuple(s for s in _bits(states) if s in self.reads or s == self.end)

    @cached_property
    def far(self) -> dict[int, int]:
        """How many letters the end is away, for each state that reads one."""
        before: dict[int, list[int]] = {}
        for state, (_, target) in self.reads.items():
            for after in self.live(self._loose.closure(target)):
                before.setdefault(after, []).append(state)
        far, reached = {self.end: 0}, [self.end]
        for state in reached:  # grows on the way
            for earlier in before.get(state, ()):
                if earlier not in far:
                    far[earlier] = far[state] + 1
                    reached.append(earlier)
        return far

    def ends(self, states: int) -> bool:
        """Whether the end is among some states."""
        return bool(states >> self.end & 1)


class _Search:
    """The places of all patterns together, found from the start on."""

    def __init__(self, asked: Words, effort: Effort) -> None:
        self._asked = asked
        self._matching = [_Machine(_branches(p, effort)) for p in asked.matching]
        self._failing = [_Machine(_branches(p)) for p in asked.failing]
        self._failing += [_Machine((_spelt(text),)) for text in asked.excluded]
        machines = [*self._matching, *self._failing]
        self._letters = _letters([r for m in machines for r, _ in m.reads.values()])
        self._next: dict[Place, list[tuple[int, Place]]] = {}

    def word(self, effort: Effort) -> str | None:
        """See the function of this name."""
        starts = list(self._starts())
        hurried = self._hurried(starts, effort)
        if hurried is not None:
            return hurried
        far = self._distances(starts, effort)
        alive = [start for start in starts if start in far]
        for start in sorted(alive, key=lambda place: far[place]):
            found = self._walk(start, far)
            if found is not None:
                return found
        if alive and not effort.spent:
            return self._by_length(alive, far, effort)
        return None

    def _starts(self) -> Iterator[Place]:
        sets = [machine.live(machine.start) for machine in self._matching]
        failing = tuple(machine.start for machine in self._failing)
        yield from ((states, failing) for states in product(*sets))

    def _ends(self, place: Place) -> bool:
        matched = all(s == m.end for s, m in zip(place[0], self._matching, strict=True))
        pairs = zip(place[1], self._failing, strict=True)
        return matched and not any(machine.ends(states) for states, machine in pairs)

    def _after(self, place: Place) -> list[tuple[int, Place]]:
        """What follows a place: letters and places."""
        if place not in self._next:
            self._next[place] = list(self._steps(place))
        return self._next[place]

    def _steps(self, place: Place) -> Iterator[tuple[int, Place]]:
        for letter in self._letters:
            pairs = zip(place[0], self._matching, strict=True)
            sets = [m.live(m.after(state, letter)) for state, m in pairs]
            if all(sets):
                others = zip(place[1], self._failing, strict=True)
                failing = tuple(m.after_all(states, letter) for states, m in others)
                yield from ((letter, (states, failing)) for states in product(*sets))

    def _left(self, place: Place) -> int:
        """Letters that the patterns, each by itself, still ask for, together."""
        pairs = zip(place[0], self._matching, strict=True)
        return sum(machine.far.get(state, _NEVER) for state, machine in pairs)

    def _hurried(self, starts: Sequence[Place], effort: Effort) -> str | None:
        """A word by always going on from where least is left; None proves nothing."""
        low, high = self._asked.low, self._asked.high
        waiting = [(self._left(place), i, place, "") for i, place in enumerate(starts)]
        heapify(waiting)
        seen = set(starts)
        for number in range(_HURRY):
            if not waiting or not effort.spend():
                return None
            _, _, place, said = heappop(waiting)
            if self._ends(place) and len(said) >= low:
                return said
            if len(said) == high:
                continue
            for letter, after in self._after(place):
                if after not in seen:
                    seen.add(after)
                    order = -number * len(seen)  # the newest first
                    left = self._left(after)
                    heappush(waiting, (left, order, after, said + chr(letter)))
        return None

    def _distances(self, starts: Sequence[Place], effort: Effort) -> dict[Place, int]:
        """How many letters an end is away, for each place from which there is one."""
        before: dict[Place, list[Place]] = {place: [] for place in starts}
        waiting = list(before)
        for place in waiting:  # grows on the way
            if not effort.spend():
                break
            for _, after in self._after(place):
                if after not in before:
                    before[after] = []
                    waiting.append(after)
                before[after].append(place)
        far = {place: 0 for place in waiting if self._ends(place)}
        reached = list(far)
        for place in reached:  # grows on the way
            for earlier in before[place]:
                if earlier not in far:
                    far[earlier] = far[place] + 1
                    reached.append(earlier)
        return far

    def _walk(self, place: Place, far: dict[Place, int]) -> str | None:
        """Away from the end while the word is too short, then straight to it."""
        low, high = self._asked.low, self._asked.high
        said: list[int] = []
        while len(said) + far[place] < low:
            ways = [(letter, after) for letter, after in self._after(place) if after in far]
            if not ways:
                return None
            letter, place = max(ways, key=lambda way: min(far[way[1]], low - len(said) - 1))
            said.append(letter)
        while far[place]:
            ways = [way for way in self._after(place) if far.get(way[1]) == far[place] - 1]
            letter, place = ways[0]
            said.append(letter)
        return None if high is not None and len(said) > high else "".join(map(chr, said))

    def _by_length(
        self, starts: Sequence[Place], far: dict[Place, int], effort: Effort
    ) -> str | None:
        """All places by the length of what leads to them, where lengths are bounded."""
        low, high = self._asked.low, self._asked.high
        layers = [dict.fromkeys(starts, (0, starts[0]))]
        most = high if high is not None else low + len(far)
        for length in range(most + 1):
            ends = [p for p in layers[-1] if length >= low and self._ends(p)]
            if ends:
                return _retraced(layers, ends[0])
            layer: dict[Place, tuple[int, Place]] = {}
            for place in layers[-1]:
                if not effort.spend():
                    return None
                for letter, after in self._after(place):
                    if far.get(after, most) <= most - length - 1:
                        layer.setdefault(after, (letter, place))
            layers.append(layer)
        return None


def _retraced(layers: list[dict[Place, tuple[int, Place]]], place: Place) -> str:
    letters = []
    for layer in reversed(layers[1:]):
        letter, place = layer[place]
        letters.append(chr(letter))
    return "".join(reversed(letters))


def _branches(pattern: str, effort: Effort | None = None) -> Branches:
    """Sequences without anchors; with an `effort` to doubt, those of a wider pattern will do."""
    language = pattern_language(pattern)
    if language is None and effort:
        effort.doubt()
        language = pattern_language(pattern, wide=True)
    if language is None:
        raise NotRegular(pattern)
    return language.branches


def _spelt(text: str) -> tuple[Chars, ...]:
    return tuple(Chars(((ord(char), ord(char)),)) for char in text)


def _letters(sets: Sequence[Ranges]) -> list[int]:
    """A character of each kind that some sets tell apart."""
    spans = [span for ranges in sets for span in ranges]
    cuts = sorted({0, 0x110000, *(low for low, _ in spans), *(high + 1 for _, high in spans)})
    kinds: dict[frozenset[Ranges], int] = {}
    for letter in [*map(ord, _LIKED), *(cut for cut in cuts[:-1] if cut not in _SURROGATES)]:
        held = frozenset(r for r in sets if any(low <= letter <= high for low, high in r))
        kinds.setdefault(held, letter)
    return list(kinds.values())


def _bits(states: int) -> Iterator[int]:
    while states:
        lowest = states & -states
        yield lowest.bit_length() - 1
        states ^= lowest
