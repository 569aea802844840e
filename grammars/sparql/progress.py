"""A query as far as it is written: a value, made anew with each lexeme.

Knows where the text stands; `actions.py` what a lexeme does, `choices.py` what may come next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from tether.grammars.sparql.frame import NOTHING, Asked, Frame, Head
from tether.grammars.sparql.lexemes import Syntax, start
from tether.grammars.sparql.lookup import (
    Candidates,
    GraphLookup,
    Level,
    Position,
    Term,
    Triple,
)

_PREFIX = re.compile(r"(?<![\w<:#/?])([^\W\d_][\w-]*)?:(?!//)")
_STRINGS = re.compile(r'"(?:[^"\\\n]|\\.)*"|<[^<>\s]*>')


@dataclass(frozen=True, slots=True)
class Host:
    """What a constraint knows besides the text.

    Attributes:
        graph: Where names come from.
        level: What is promised.
        prefixes: Those that the host declares.
        answer: `graph.ask`, which remembers.
    """

    graph: GraphLookup
    level: Level
    prefixes: Mapping[str, str]
    answer: Callable[[str], bool | None]

    def ask(self, query: str) -> bool | None:
        """Whether a query has a row; None where the store cannot say in time."""
        return self.answer(declared(query, self.prefixes))


def declared(query: str, prefixes: Mapping[str, str]) -> str:
    """A query with the declarations of those prefixes that it uses and does not declare."""
    bare = _STRINGS.sub("<>", query)
    own = set(re.findall(r"(?i)\bPREFIX\s+([\w-]*):", bare))
    used = {match[1] or "" for match in _PREFIX.finditer(bare)} - own
    names = sorted(name for name in used if name in prefixes)
    return "".join(f"PREFIX {name}: <{prefixes[name]}>\n" for name in names) + query


@dataclass(frozen=True, slots=True)
class Path:
    """Where a path stands.

    Attributes:
        depth: Its open brackets.
        aside: The depth of a `|` whose further branches are going on; the first one counts.
        repeats: For each open bracket whether a step in it repeats.
        inner: Whether the step that is complete holds one that repeats.
        is_inverse: Whether the step runs from object to subject.
        steps: Its predicates.
    """

    depth: int = 0
    aside: int | None = None
    repeats: tuple[bool, ...] = ()
    inner: bool = False
    is_inverse: bool = False
    steps: int = 0


@dataclass(frozen=True)
class Progress:
    """A query up to the end of a lexeme.

    Attributes:
        host: What the constraint knows.
        syntax: Which lexemes may follow by `guided.lark`.
        heads: The open queries, the innermost last.
        frames: The open groups, the innermost last.
        phase: Whether the innermost query is before, in or behind its WHERE.
        subject: The subject as it stands in the text.
        triple: What is said of the triple at hand; in a path, of its step.
        path: Where its path stands.
        hidden: Hidden variables so far.
        tail: The text of the innermost group behind its `body`.
        part: Where the part at hand (a FILTER, say) begins, in bytes.
        count: Triples so far.
        run: Members of the list at hand.
        data: The variable of a VALUES, and the ranks it got.
    """

    host: Host
    syntax: Syntax
    heads: tuple[Head, ...] = (Head(),)
    frames: tuple[Frame, ...] = ()
    phase: Literal["head", "body", "tail"] = "head"
    subject: Term | None = None
    triple: Triple = field(default=Triple())
    path: Path = field(default=Path())
    hidden: int = 0
    tail: Asked = NOTHING
    part: int = 0
    count: int = 0
    run: int = 0
    data: tuple[str, tuple[int, ...]] = ("", ())

    @classmethod
    def start(cls, host: Host) -> Progress:
        """Before the first lexeme."""
        return cls(host, start())

    @cached_property
    def found(self) -> dict[Position, Candidates]:
        """Where the candidates of this place are kept, once they were asked for."""
        return {}

    @cached_property
    def lexemes(self) -> frozenset[str]:
        """The terminals that may follow, `$END` among them where the query may end."""
        from tether.grammars.sparql.choices import permits

        return frozenset(name for name in self.syntax.accepts if permits(self, name))

    @property
    def head(self) -> Head:
        """The innermost query."""
        return self.heads[-1]

    @property
    def frame(self) -> Frame:
        """The innermost group."""
        return self.frames[-1]

    @property
    def is_exact(self) -> bool:
        """Whether the store is to see every word: where fewer solutions could mean more rows."""
        return not self.frames or not self.frame.is_live or len(self.heads) > 1

    @property
    def loose(self) -> frozenset[str]:
        """Variables of the open groups that are bound where the scope does not look."""
        return frozenset[str]().union(*(frame.seen - frame.known for frame in self.chain))

    @property
    def chain(self) -> tuple[Frame, ...]:
        """The open groups of the innermost query."""
        last = max(i for i, frame in enumerate(self.frames) if frame.kind == "where")
        return self.frames[last:]

    def with_head(self, **changes: Any) -> Progress:  # noqa: ANN401
        """This with the innermost query changed."""
        return replace(self, heads=(*self.heads[:-1], replace(self.head, **changes)))

    def with_frame(self, **changes: Any) -> Progress:  # noqa: ANN401
        """This with the innermost group changed."""
        return replace(self, frames=(*self.frames[:-1], replace(self.frame, **changes)))

    def settled(self) -> Progress:
        """This with the text so far counted as whole."""
        return replace(self.with_frame(body=self.frame.body.then(self.tail)), tail=NOTHING)

    def is_satisfiable(self) -> bool | None:
        """What the store says of the innermost query's WHERE so far; None: it cannot say."""
        witness = self._where([frame.body.witness for frame in self.chain])
        full = self._where([frame.body.full for frame in self.chain])
        answer = self.host.ask(witness)
        return answer if answer or full == witness else self.host.ask(full)

    def _where(self, bodies: Sequence[str]) -> str:
        """A question for the open groups with these bodies."""
        text, closing = "", ""
        for frame, body in zip(self.chain, bodies, strict=True):
            text = text.removesuffix(" .")
            if text and frame.kind == "group":
                text, closing = f"{text} {{", f"{closing} }}"
            elif body and text and not text.endswith("{"):
                text += " ."
            text += body
        return f"ASK {{{text}{closing} }}"


def is_proved(progress: Progress) -> bool:
    """Whether a whole query has a row, by what was found while it was written."""
    where = progress.head.where
    if where is None or progress.frames or not where.is_live or progress.head.may_drop:
        return False
    head = progress.head
    if head.is_told and head.shown and not head.shown & where.subjects:  # nothing told of literals
        return False
    if where.scope.reached != "nonempty":
        return False
    return not where.in_doubt or progress.host.ask(f"ASK {{{where.body.witness}") is True
