"""The expert begins each sentence: it writes the first tokens, the model the rest (FoReaL).

Built from an abstract; the constants are ours, and so is the form for structured text: a run of
forced tokens (the keys and marks of a schema) ends a "sentence", so the expert begins each value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.row import Row
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_EXPERT = View("expert")
_ENDS = (b".", b"!", b"?", b"\n")


@dataclass(frozen=True, slots=True)
class Foreal(Term):
    """The expert leads the first tokens of a sentence, if the draw for that sentence says so."""

    name: ClassVar[str] = "foreal"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "the expert's part where it leads", low=0)
    first: int = option(8, "tokens of a sentence that the expert writes", low=0)
    lead: float = option(1.0, "probability that it leads a sentence at all", low=0, high=1)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The expert."""
        return (_EXPERT,)

    def calls(self, seen: Seen) -> Tensor:
        """Where the expert leads; the text so far and the row's noise decide it."""
        return seen.flags([self._leads(row) for row in seen.rows])

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Who leads decides."""
        scales.decide(_EXPERT, self.calls(seen), self.weight)

    def _leads(self, row: Row) -> bool:
        start = sentence_start(row)
        return row.num_output - start < self.first and row.uniform(start) < self.lead


def sentence_start(row: Row) -> int:
    """Output tokens before the sentence that the next token belongs to.

    A sentence ends with `.`, `!`, `?` or a line, outside double quotes, and with forced tokens.
    """
    start, quoted = row.num_settled, False
    for place, piece in enumerate(row.pieces(), 1):
        quoted ^= piece.count(b'"') % 2 == 1
        if not quoted and piece.rstrip(b" ").endswith(_ENDS):
            start = max(start, place)
    return start
