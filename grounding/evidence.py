"""What a source of evidence may look at before one token, and what it may answer. No torch.

Sources are functions of what a row has said so far and of what the model says next: the same answer
in any company, after a resume, and where a near-tie is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Slot

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Need = Literal["log_p", "allowed", "hidden", "attention", "short", "nudge", "slots"]

KNOWN_AHEAD: frozenset[Need] = frozenset(get_args(Need)) - {"nudge"}
"""What is known at drafted tokens too: rows whose sources need nothing else can be drafted."""

INDEXED = 1 << 32
"""Number of the first passage of an index, where those of the prompt are numbered from 0."""


class Nudge(Protocol):
    """Reads a row's last token again, its keys and values nudged towards some tokens."""

    def __call__(self, known: Ids, allowed: Bools, steps: int, rate: float) -> Floats:
        """Log-probabilities [vocab] of the tokens that are allowed; the cache stays as it was.

        Args:
            known: int64 [k], the tokens to be made likelier; all allowed.
            allowed: Boolean [vocab].
            steps: Of gradient descent; each costs a forward and a backward of one token.
            rate: Factor on the size of a step.
        """


@dataclass(frozen=True, slots=True)
class Moment:
    """One row before one token; what no source of the step needs is None.

    Attributes:
        context: Every token so far: the prompt, then the output.
        start: Where the output begins.
        open: Whether at least an eighth of the vocabulary may be said, and that not as a member's
            name: free text, or a string that is a value.
        log_p: float [vocab], log-probabilities of the model, mask not applied.
        allowed: Boolean [vocab]; None allows all.
        hidden: float [width], what the model's head reads.
        attention: float [positions], how much the copying heads look at each token of the prompt.
        short: float [vocab], as `log_p`, where the model read only what speaks of what is asked;
            None too where that is all it was given.
        nudge: Reads the last token again.
        slots: The names of a graph that may be said next or go on.
    """

    context: Sequence[int]
    start: int
    open: bool
    log_p: Floats | None = None
    allowed: Bools | None = None
    hidden: Floats | None = None
    attention: Floats | None = None
    short: Floats | None = None
    nudge: Nudge | None = None
    slots: Sequence[Slot] = ()


@dataclass(frozen=True, slots=True)
class Clues:
    """What a source knows about a few tokens; ids may repeat.

    Attributes:
        ids: int64 [k].
        values: float [k]; nats to add to log-probabilities, or, where there is a share,
            probabilities whose sum is at most 1.
        share: The part of the probability that the source decides (lambda); 0 for nats.
        origins: int64 [k], the number of the passage behind each entry, from 0 in the prompt and
            from `INDEXED` in the index, -1 for none; None where the source does not know.
        doubt: How far the nearest decision of a gate is from turning; rounding might turn it.
    """

    ids: Ids
    values: Floats
    share: float = 0.0
    origins: Ids | None = None
    doubt: float = np.inf


class Source(Protocol):
    """Evidence of one method over one store; shared by the rows that have the same."""

    @property
    def needs(self) -> frozenset[Need]:
        """The fields of a moment that it reads beside the context."""

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """The copying heads, (layer, number), where it needs attention."""

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """For each row, what is known about its next token; None changes nothing at all."""
