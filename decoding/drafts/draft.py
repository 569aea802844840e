"""The one interface of all drafters: a spot, a draft that goes on from it, and what became of it.

A draft only says which tokens the next forward reads besides those that are certain. Every token is
chosen as ever, from the model's scores and the noise of its position, and where it was drafted its
answer is there already. So drafts change speed and never text, however bad they are.
Source: sample-and-match with keyed noise, `Draft` trees as in SpecInfer (Miao et al. 2023,
arXiv 2305.09781).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from tether.decoding.noise import row_state
from tether.errors import InternalError

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.request import Request
    from tether.grammars.constraint import Matcher

Need = Literal["logits", "hidden"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may come next, as a flat tree; several may follow one.

    Attributes:
        tokens: Of each node.
        parents: The node that each follows, an earlier one; -1 follows the spot.
        chances: How likely each is chosen where its parent was; the drafter's own guess.
    """

    tokens: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.tokens) == len(self.parents) == len(self.chances):
            raise InternalError("A draft has a token, a parent and a chance for every node.")
        if any(not -1 <= parent < node for node, parent in enumerate(self.parents)):
            raise InternalError("A node of a draft follows an earlier one.")

    @classmethod
    def chain(cls, tokens: Sequence[int], chances: Sequence[float]) -> Draft:
        """Each token follows the one before."""
        return cls(tuple(tokens), tuple(range(-1, len(tokens) - 1)), tuple(chances))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def is_chain(self) -> bool:
        """Whether no token has two successors."""
        return self.parents == tuple(range(-1, len(self) - 1))

    @property
    def depths(self) -> list[int]:
        """How many drafted tokens stand before each node on its path."""
        found: list[int] = []
        for parent in self.parents:
            found.append(found[parent] + 1 if parent >= 0 else 0)
        return found

    @property
    def lineage(self) -> list[list[bool]]:
        """[nodes, nodes]: whether the second is the first or one before it on its path."""
        found: list[list[bool]] = []
        for node, parent in enumerate(self.parents):
            seen = list(found[parent]) if parent >= 0 else [False] * len(self)
            seen[node] = True
            found.append(seen)
        return found

    def path(self, node: int) -> list[int]:
        """The nodes from the first down to `node`, which may be -1: then there are none."""
        found: list[int] = []
        while node >= 0:
            found.append(node)
            node = self.parents[node]
        return found[::-1]

    def follow(self, tokens: Sequence[int], node: int = -1) -> Iterator[int]:
        """The nodes along `tokens` after a node, as far as the draft holds them."""
        places = {
            pair: node for node, pair in enumerate(zip(self.parents, self.tokens, strict=True))
        }
        for token in tokens:
            found = places.get((node, token))
            if found is None:
                return
            yield found
            node = found


NOTHING = Draft()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a draft begins: after what a row has said, or after what is drafted of it already.

    Attributes:
        row: Names the row among those that run; hashable, and nothing else.
        request: What the row asks for.
        context: Every token before the spot: prompt, output, and what is drafted already.
        num_drafted: How many of the last tokens of the context are only drafted.
        matcher: The constraint's state at the spot; None where anything may be said. A drafter
            leaves it as it found it: `prefix_length`, `forced`, `quote` and `fork` change nothing.
        least: Nodes whose chance, all before them counted in, is not above it are not looked at.
    """

    row: object
    request: Request
    context: Sequence[int]
    num_drafted: int = 0
    matcher: Matcher | None = None
    least: float = 0.0

    def noise_state(self, depth: int = 0) -> int:
        """The state of the noise of the token so many places after the spot.

        `gumbel` and `hashes` of `decoding/noise.py` make of it the very noise by which the row will
        choose there: a drafter with probabilities of its own adds it to their logarithms.
        """
        position = len(self.context) - len(self.request.prompt) + depth
        return row_state(self.request.sampling.seed, self.request.key, position)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a row in one turn.

    Attributes:
        row: As in its spot.
        request: What the row asks for.
        context: Every token before the turn's choices; its last one is where `draft` begins.
        draft: What was read beside it, as the grammar left it; often nothing.
        said: The row's tokens after `context` now: chosen and forced. Fewer may stand where the
            judge of a constraint took something back.
        choices: The places in `said` of the tokens that were chosen; the others were forced.
        accepted: The nodes of the draft that `said` begins with, from the first down.
        logits: float [1 + nodes, vocab], the model's answers after the last token of the context
            and after each node. -inf where the grammar left a token out before the head. None
            where no drafter of the row needs them.
        hidden: float [1 + nodes, width], what the head reads there; None likewise.
    """

    row: object
    request: Request
    context: Sequence[int]
    draft: Draft
    said: Sequence[int]
    choices: Sequence[int]
    accepted: Sequence[int]
    logits: Tensor | None = None
    hidden: Tensor | None = None


@runtime_checkable
class Together(Protocol):
    """A drafter whose work for several rows is less than their sum."""

    def foresee(self, asked: Sequence[tuple[Spot, int]]) -> None:
        """All rows of a turn that will be asked about, and their budgets, before the first is."""


class Drafter(Protocol):
    """Guesses what comes next. One stands for all rows of a model, and learns from all of them.

    Attributes:
        name: As users write it.
        needs: What it reads of verdicts beside tokens.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]]

    def propose(self, spot: Spot, budget: int) -> Draft:
        """What may come at the spot; at most `budget` nodes, perhaps none.

        Asked again at the end of what the grammar left of its last draft, forced tokens included,
        where there is budget left: a guess of one token at a time is a guess.
        """

    def observe(self, verdict: Verdict) -> None:
        """Learn from a turn, drafted or not."""

    def forget(self, row: object) -> None:
        """Drop what is kept for a row that has ended."""

    def keep(self) -> None:
        """Write down what was learnt, where that outlives the run."""
