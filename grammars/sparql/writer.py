"""Tokens against lexemes: which tokens go on with a query, and where they lead.

A token may end fixed lexemes and go on into the next one, as real tokens do (`(?`); names begin
and end with a token, and are said in their canonical tokens only; so do variables, numbers and
strings end with one. Where a text can be read in two ways, both are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tether.grammars.guarded import Refusal
from tether.grammars.sparql import choices, lexemes
from tether.grammars.sparql.actions import feed
from tether.grammars.sparql.lexemes import Syntax
from tether.grammars.sparql.lookup import Place, Slot
from tether.grammars.sparql.progress import Progress
from tether.grammars.sparql.said import Lexeme
from tether.grammars.sparql.spellings import Spellings

Ids = npt.NDArray[np.int64]

_KEPT_OPENINGS = 1024


class Thread(NamedTuple):
    """One reading of the text.

    Attributes:
        progress: The query up to the lexeme at hand.
        at: Where that lexeme begins, in bytes.
        partial: Its bytes so far, where it is no name.
        terminal: Which name it is, if one is being said.
        place: Where in the trie.
    """

    progress: Progress
    at: int
    partial: bytes = b""
    terminal: str = ""
    place: Place | None = None


@dataclass(frozen=True)
class State:
    """All readings of a text; none where it was refused."""

    threads: tuple[Thread, ...]
    refusal: Refusal | None = None
    kept: dict[str, Ids] = field(default_factory=dict, compare=False)
    after: dict[int, State | None] = field(default_factory=dict, compare=False)

    @cached_property
    def can_end(self) -> bool:
        """Whether the query may end here by its grammar."""
        return any(
            not t.partial and t.place is None and lexemes.END in t.progress.lexemes
            for t in self.threads
        )


class Writer:
    """What tokens do to states, over one vocabulary."""

    def __init__(self, spellings: Spellings) -> None:
        self._spell = spellings
        self._opening = lru_cache(_KEPT_OPENINGS)(self._openings)

    def allowed(self, state: State) -> Ids:
        """The tokens, int64 [n], that go on with any reading."""
        if "ids" not in state.kept:
            state.kept["ids"] = np.flatnonzero(self._flags(state))
        return state.kept["ids"]

    def mask(self, state: State) -> npt.NDArray[np.uint8]:
        """The same tokens as packed bits, uint8 [4 * num_words]."""
        bits = np.packbits(self._flags(state), bitorder="little")
        return np.pad(bits, (0, -len(bits) % 4))

    def _flags(self, state: State) -> npt.NDArray[np.bool_]:
        """Which tokens go on, bool [vocabulary]; many ids are set faster than sorted."""
        flags = np.zeros(len(self._spell.tokens), np.bool_)
        if "ids" in state.kept:
            flags[state.kept["ids"]] = True
            return flags
        for thread in state.threads:
            for ids in self._allowed(thread):
                flags[ids] = True
        return flags

    def slots(self, state: State) -> Iterator[Slot]:
        """Where a name may begin or goes on, in any reading."""
        for thread in state.threads:
            progress = thread.progress
            if thread.place is not None:
                yield Slot(thread.place, choices.names(progress, thread.terminal))
                continue
            for terminal in self._names(thread):
                yield Slot(progress.host.graph.names.start(), choices.names(progress, terminal))

    def step(self, state: State, token: int) -> State | None:
        """The state after a token; None where no reading takes it. It is tried, then taken."""
        if token not in state.after:
            state.after[token] = self._stepped(state, token)
        return state.after[token]

    def _stepped(self, state: State, token: int) -> State | None:
        threads: list[Thread] = []
        refusals: list[Refusal] = []
        data, is_taken = self._spell.tokens[token], False
        for thread in state.threads:
            for outcome in self._step(thread, token, data):
                is_taken = True
                (refusals if isinstance(outcome, Refusal) else threads).append(outcome)  # type: ignore[arg-type]
        if not is_taken:
            return None
        return State(tuple(threads), None if threads else refusals[0])

    def only_text(self, state: State) -> bytes:
        """The bytes that must follow, where every reading is at one fixed text; else none."""
        if len(state.threads) != 1 or state.can_end:
            return b""
        (thread,) = state.threads
        if thread.place is not None or self._names(thread):
            return b""
        rests = {text[len(thread.partial) :] for _, text in self._fixed(thread)}
        is_free = any(True for _ in self._free(thread))
        return rests.pop() if len(rests) == 1 and not is_free else b""

    def _allowed(self, thread: Thread) -> Iterator[Ids]:
        progress = thread.progress
        if thread.place is not None:
            among = choices.names(progress, thread.terminal)
            yield progress.host.graph.names.tokens(thread.place, among)
            return
        for terminal in self._names(thread):
            names = progress.host.graph.names
            yield names.tokens(names.start(), choices.names(progress, terminal))
        for terminal, text in self._fixed(thread):
            rest = text[len(thread.partial) :]
            yield self._spell.within(rest)
            yield self._across(thread, terminal, text, rest)
        for terminal, lead in self._free(thread):
            yield self._spell.free(
                terminal, lead, thread.partial, self._variables(thread, terminal)
            )

    def _across(self, thread: Thread, terminal: str, text: bytes, rest: bytes) -> Ids:
        """Tokens that end a fixed lexeme and go on."""
        opening, cut = self._opening(thread.progress.syntax.after(terminal)), len(rest)
        longer = [
            token
            for token in self._spell.beyond(rest).tolist()
            if self._spell.tokens[token][cut] in opening
        ]
        # Only now: to end the lexeme may mean to ask the store.
        after = self._said(thread, terminal, text.decode()) if longer else None
        if not isinstance(after, Thread):
            return np.empty(0, np.int64)
        kept = [
            token
            for token in longer
            if any(True for _ in self._read(after, self._spell.tokens[token][cut:]))
        ]
        return np.array(kept, np.int64)

    def _openings(self, syntax: Syntax) -> set[int]:
        """The bytes with which lexemes other than names may begin."""
        firsts: set[int] = set()
        for after in syntax.accepts:
            firsts |= {text[0] for text in self._spell.fixed.get(after, ())}
            if after in lexemes.FREE:
                firsts |= set(lexemes.FREE[after][:1] or self._spell.opening(after))
        return firsts

    def _step(self, thread: Thread, token: int, data: bytes) -> Iterator[Thread | Refusal]:
        if thread.place is not None:
            yield from self._name_step(thread, token)
            return
        for terminal in self._names(thread):
            start = thread.progress.host.graph.names.start()
            opened = Thread(thread.progress, thread.at, b"", terminal, start)
            yield from self._name_step(opened, token)
        yield from self._read(thread, data)

    def _name_step(self, thread: Thread, token: int) -> Iterator[Thread | Refusal]:
        names = thread.progress.host.graph.names
        assert thread.place is not None
        among = choices.names(thread.progress, thread.terminal)
        if not np.any(names.tokens(thread.place, among) == token):
            return
        place = names.step(thread.place, token)
        assert place is not None
        moved = thread._replace(place=place, partial=thread.partial + self._spell.tokens[token])
        if names.tokens(place, among).size:
            yield moved
        rank = names.ended(place)
        if rank is not None and _holds(among, rank):
            yield self._said(moved, thread.terminal, f" {names.text(rank)}", rank)

    def _read(self, thread: Thread, data: bytes) -> Iterator[Thread | Refusal]:
        """The readings after some bytes that are part of no name."""
        partial = thread.partial + data
        is_open = False
        for terminal, text in self._fixed(thread):
            if text.startswith(partial) and text != partial:
                is_open = True
            elif partial.startswith(text):
                yield from self._go_on(thread, terminal, text, partial[len(text) :])
        for terminal, lead in self._free(thread):
            variables = self._variables(thread, terminal)
            goes_on, is_whole = self._spell.judge(terminal, lead, partial, variables)
            is_open |= goes_on
            if is_whole:
                yield self._said(thread, terminal, partial.decode())
        if is_open:
            yield thread._replace(partial=partial)

    def _go_on(
        self, thread: Thread, terminal: str, text: bytes, rest: bytes
    ) -> Iterator[Thread | Refusal]:
        after = self._said(thread, terminal, text.decode())
        if isinstance(after, Refusal) or not rest:
            yield after
        else:
            yield from self._read(after, rest)

    def _said(self, thread: Thread, terminal: str, text: str, rank: int = -1) -> Thread | Refusal:
        """The reading with its lexeme complete."""
        lexeme = Lexeme(terminal, text, thread.at, rank)
        outcome = feed(thread.progress, lexeme)
        if isinstance(outcome, Refusal):
            return outcome
        return Thread(outcome, thread.at + len(text.encode()))

    def _names(self, thread: Thread) -> list[str]:
        """The names that may begin here."""
        if thread.partial:
            return []
        return sorted(thread.progress.lexemes & lexemes.NAMES)

    def _fixed(self, thread: Thread) -> Iterator[tuple[str, bytes]]:
        """The fixed lexemes that the one at hand may be."""
        for terminal in sorted(thread.progress.lexemes):
            for text in self._spell.fixed.get(terminal, ()):
                if text.startswith(thread.partial):
                    yield terminal, text

    def _free(self, thread: Thread) -> Iterator[tuple[str, bytes]]:
        """The free lexemes that the one at hand may be, with what stands before them."""
        for terminal in sorted(thread.progress.lexemes):
            free = lexemes.FREE.get(terminal)
            if free is not None:
                yield terminal, free

    def _variables(self, thread: Thread, terminal: str) -> choices.Variables | None:
        if terminal not in lexemes.VARIABLES:
            return None
        return choices.variables(thread.progress, terminal)


def _holds(among: npt.NDArray[np.uint32], rank: int) -> bool:
    place = int(np.searchsorted(among, rank))
    return place < len(among) and int(among[place]) == rank
