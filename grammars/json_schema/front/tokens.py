"""How JSON is spelled in the mask: punctuation, white space, free strings, free numbers.

Judging (no bounds) takes everything that Python's `json.dumps` may write; generating spells each
value in one plain way. White space stands inside the punctuation terminals, never in %ignore.
A name and its colon are two terminals everywhere: the engine has ready masks for a string alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front.charset import ALL, spelled
from tether.types import Order, Whitespace

_SPACES = r"[ \n\r\t]{0,64}"
_PLAIN_CHAR = r"([^\"\\\x00-\x1f\x7f]|\\[\"\\bfnrt])"
_INTEGER = "-?(0|[1-9][0-9]*)"


@dataclass(frozen=True, slots=True)
class Style:
    """The choices of the caller that shape every part of a grammar.

    Attributes:
        order: Order of known properties when generating; judging takes every order.
        whitespace: See `front`.
        bounds: Bounds on open ends; None for judging.
    """

    order: Order
    whitespace: Whitespace
    bounds: Bounds | None

    @property
    def judging(self) -> bool:
        """Whether whole texts are judged, rather than written."""
        return self.bounds is None

    @property
    def char(self) -> str:
        """Regex of one character of a free string."""
        return spelled(ALL) if self.judging else _PLAIN_CHAR

    @property
    def integer(self) -> str:
        """Regex of a free integer: a fraction of zeros and exponents are spellings of one, too."""
        if self.judging:
            return rf"{_INTEGER}(\.0+)?([eE][+-]?[0-9]+)?|{_INTEGER}\.[0-9]+[eE]\+?[0-9]+"
        return r"-?(0|[1-9][0-9]{0,18})"

    @property
    def number(self) -> str:
        """Regex of a free number."""
        if self.judging:
            return rf"{_INTEGER}(\.[0-9]+)?([eE][+-]?[0-9]+)?"
        return r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,16})?"

    def terminals(self) -> str:
        """The definitions that every grammar starts with."""
        comma, colon, before, after = self._gaps()
        most = self.bounds.max_string if self.bounds else 0
        times = f"{{0,{most}}}" if most else "*"
        return (
            f"COMMA: /{comma}/\nCOLON: /{colon}/\n"
            f"LB: /\\{{{after}/\nRB: /{before}\\}}/\nLS: /\\[{after}/\nRS: /{before}\\]/\n"
            f'STR: /"{self.char}{times}"/\nNAME: /"{self.char}*"/\n'
            f"INT: /{self.integer}/\nNUM: /{self.number}/\nBOOL: /true|false/\n"
        )

    def _gaps(self) -> tuple[str, str, str, str]:
        if self.whitespace == "flexible":
            return f"{_SPACES},{_SPACES}", f"{_SPACES}:{_SPACES}", _SPACES, _SPACES
        return (", ?", ": ?", "", "") if self.judging else (",", ":", "", "")
