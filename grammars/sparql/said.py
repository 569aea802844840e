"""One lexeme as it was written."""

from __future__ import annotations

from typing import NamedTuple

from tether.grammars.sparql.lookup import Name, Term, Variable


class Lexeme(NamedTuple):
    """A lexeme as it was written.

    Attributes:
        terminal: Its name in `guided.lark`.
        text: Its text, with the space before it.
        at: Where it begins in the query, in bytes.
        rank: The name that it is, if it is one.
    """

    terminal: str
    text: str
    at: int
    rank: int = -1

    @property
    def variable(self) -> str:
        """The variable's name."""
        return self.text.strip()[1:]

    @property
    def term(self) -> Term:
        """The name or the variable that it is."""
        return Name(self.rank) if self.rank >= 0 else Variable(self.variable)
