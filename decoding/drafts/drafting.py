"""Whether and what to draft for the rows of a loop, and what is learned from it.

A turn's drafts are as many as pay by what forwards cost here and by how often drafts come true
(`pace.py`); where they do not, nothing is drafted, and now and then it is tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from tether.decoding.drafts.draft import (
    NOTHING,
    Draft,
    Drafter,
    Need,
    Spot,
    Together,
    Verdict,
)
from tether.decoding.drafts.grow import Grower, Sapling
from tether.decoding.drafts.judge import Judge, load
from tether.decoding.drafts.pace import Pace
from tether.decoding.drafts.registry import make
from tether.decoding.drafts.rules_law import is_judged, is_ruled
from tether.decoding.drafts.rules_walk import Drawer, Drawn
from tether.decoding.models.base import Model
from tether.decoding.request import Request
from tether.decoding.row import Row
from tether.errors import DeadEnd, UsageError
from tether.grammars.constraint import Mask
from tether.grounding.evidence import KNOWN_AHEAD


@dataclass(frozen=True, slots=True)
class Drafted:
    """A row's draft of one turn.

    Attributes:
        draft: What the forward reads after the row.
        masks: int32 [words], what may be said after each node; empty where anything may be.
        gains: What the answer after each node is thought to be worth.
    """

    draft: Draft
    masks: Sequence[Mask]
    gains: Sequence[float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one turn did to a row; see `Verdict`."""

    context: Sequence[int]
    choices: Sequence[int]
    accepted: Sequence[int]
    logits: Tensor | None = None
    hidden: Tensor | None = None


class Drafting:
    """The drafters of a model and what they cost, shared by all rows of a loop.

    Attributes:
        pace: What forwards and drafts cost.

    Args:
        model: Which drafts are for.
        helper: The model that drafts, where one was named.
    """

    def __init__(self, model: Model, helper: Model | None = None) -> None:
        self._model, self._helper = model, helper
        unsaid = model.refused_ids() | model.end_ids
        self._sayable = [token not in unsaid for token in range(model.vocabulary.size)]
        self._drafters: dict[str, Drafter] = {}
        self._judge: Judge | None = None
        self.pace = Pace.of(model.network)

    def propose(
        self, able: Sequence[Row], num_rows: int, tokens: int, prompts: Callable[[Row], int]
    ) -> dict[Row, Drafted]:
        """What to read beside the rows; those without a draft are absent. They stay as they are.

        Args:
            able: The rows that `can_draft`.
            num_rows: All of the turn.
            tokens: Certain ones of all rows, in all their prompts.
            prompts: How many of a row the model reads, and its draft after each.
        """
        ruled = {row: self._grow(row, 0.0) for row in able if is_ruled(row.request)}
        fixed = {row: _cut(tree, len(tree)) for row, tree in ruled.items() if len(tree)}
        free = [row for row in able if row not in ruled]
        return {**fixed, **self._paying(free, num_rows, tokens, prompts)}

    def _paying(
        self, able: Sequence[Row], num_rows: int, tokens: int, prompts: Callable[[Row], int]
    ) -> dict[Row, Drafted]:
        """As `propose`, of rows whose tokens do not depend on what is drafted: as much as pays."""
        pace = self.pace
        if not able or pace.is_resting:
            return {}
        began = pace.clock()
        self._foresee(able)
        least = pace.least(num_rows, tokens)
        trees = {row: self._grow(row, least) for row in able}
        look = sum(map(len, trees.values())), pace.clock() - began
        counts = self._counts(trees, num_rows, tokens, prompts, look)
        return {row: _cut(trees[row], count) for row, count in counts.items()}

    def drawn(self, row: Row) -> Drawn | None:
        """What was drawn for a row's rule in this turn."""
        for drafter in self._drafters_of(row):
            if isinstance(drafter, Drawer):
                return drafter.drawn(row)
        return None

    def check(self, request: Request) -> None:
        """Make what a request drafts with.

        Raises:
            UsageError: A drafter or a rule lacks its model.
            ModelError: A drafter cannot work with this model, or it has no judge.
        """
        drafters = [self._drafter(name) for name in request.drafters]
        if is_judged(request):
            self.judge()
        if is_ruled(request) and not any(isinstance(each, Drawer) for each in drafters):
            raise UsageError(
                f"The rule {request.draft_rule} accepts drafts of a model, and none drafts.",
                hint="Name one (--draft model --draft-model NAME, or --draft swift), or use "
                "--draft-rule match.",
            )

    def judge(self) -> Judge:
        """The heads that say which drafted tokens may be taken (`--lossy judge`, `arbitrage`)."""
        if self._judge is None:
            network = self._model.network
            like = torch.empty(0, dtype=torch.float32, device=network.device)
            self._judge = load(self._model).to(like)
        return self._judge

    def needs(self, row: Row) -> set[Need]:
        """What the drafters of a row read of verdicts."""
        return {need for name in row.request.drafters for need in self._drafter(name).needs}

    def learn(self, row: Row, drafted: Drafted | None, outcome: Outcome) -> None:
        """Let the drafters of a row see what became of it in a turn."""
        if drafted is not None:
            accepted = set(outcome.accepted)
            for node, gain in enumerate(drafted.gains):
                if gain:
                    self.pace.verified(gain, came=node in accepted)
            row.drafted(len(drafted.draft), len(outcome.accepted))
        verdict = Verdict(
            row=row,
            request=row.request,
            context=outcome.context,
            draft=NOTHING if drafted is None else drafted.draft,
            said=row.context[len(outcome.context) :],
            choices=outcome.choices,
            accepted=outcome.accepted,
            logits=outcome.logits,
            hidden=outcome.hidden,
        )
        for name in row.request.drafters:
            self._drafter(name).observe(verdict)

    def forget(self, row: Row) -> None:
        """A row has ended."""
        for drafter in self._drafters.values():
            drafter.forget(row)

    def keep(self) -> None:
        """Write down what outlives the run."""
        for drafter in self._drafters.values():
            drafter.keep()

    def _drafter(self, name: str) -> Drafter:
        if name not in self._drafters:
            self._drafters[name] = make(name, self._model, self._helper)
        return self._drafters[name]

    def _drafters_of(self, row: Row) -> list[Drafter]:
        """Those of a row; under a rule only one that draws, so that no other changes its text."""
        drafters = [self._drafter(name) for name in row.request.drafters]
        if not is_ruled(row.request):
            return drafters
        drawers: list[Drafter] = [each for each in drafters if isinstance(each, Drawer)]
        return drawers[:1]

    def _foresee(self, rows: Sequence[Row]) -> None:
        """Tell drafters that work for several rows at once of all that they will be asked about."""
        asked: dict[str, list[tuple[Spot, int]]] = {}
        for row in rows:
            for name in row.request.drafters:
                if isinstance(self._drafter(name), Together) and (budget := self._budget(row)) > 0:
                    asked.setdefault(name, []).append((_spot(row), budget))
        for name, spots in asked.items():
            drafter = self._drafter(name)
            assert isinstance(drafter, Together), "nobody else is asked"
            drafter.foresee(spots)

    def _budget(self, row: Row) -> int:
        """The most tokens that may be drafted for a row; 0 or less for none."""
        room = self._model.network.max_positions - len(row.context)
        return min(row.request.draft_tokens, row.room - 1, room - 1)

    def _grow(self, row: Row, least: float) -> Sapling:
        drafters, budget, spot = self._drafters_of(row), self._budget(row), _spot(row, least)
        tree = Sapling()
        if budget > 0:
            with suppress(DeadEnd):  # the row is told of it when it asks for its own mask
                tree = Grower(spot, drafters, self._sayable, budget, least).grow()
        return tree

    def _counts(
        self,
        trees: Mapping[Row, Sapling],
        num_rows: int,
        tokens: int,
        prompts: Callable[[Row], int],
        look: tuple[int, float],
    ) -> dict[Row, int]:
        """How many of each row's first nodes pay, those of all rows against one another."""
        trusted = self.pace.trusted
        units = [unit for row, tree in trees.items() for unit in _units(row, tree, trusted)]
        units.sort(key=lambda unit: -unit[0])
        flat, nodes = list[float](), list[Row | None]()
        for gain, row, size in units:
            others = size * (prompts(row) - 1)  # a node is a token after each prompt
            flat += [0.0] * (size + others - 1) + [gain]
            nodes += [row] * size + [None] * others
        count = self.pace.count(flat, num_rows, tokens, look)
        owners = Counter(nodes[:count])
        return {row: owners[row] for row in trees if owners[row]}


def _spot(row: Row, least: float = 0.0) -> Spot:
    return Spot(row, row.request, row.context, matcher=row.matcher, least=least)


def can_draft(row: Row) -> bool:
    """Whether tokens of a row can be read ahead and it asks for it.

    Not all that reshapes its choices is known ahead, and the end of a prompt that is said again is
    over in a token or two.
    """
    request = row.request
    if not request.drafters or request.extract or row.finish is not None or row.healing:
        return False
    if not request.sources and not request.terms:
        return True
    known = all(source.needs <= KNOWN_AHEAD for source in request.sources)
    return known and all(term.drafts for term in request.terms)


def _units(
    row: Row, tree: Sapling, trusted: Callable[[float], float]
) -> Iterator[tuple[float, Row, int]]:
    """Each chosen node with what it forces: its gain, the row, and how many nodes it is."""
    size, least = 0, 1.0
    for gain in tree.gains:
        size += 1
        if gain:
            least = min(least, trusted(gain))  # a node is not read before those above it
            yield least, row, size
            size = 0


def _cut(tree: Sapling, count: int) -> Drafted:
    draft = tree.cut(count)
    return Drafted(draft, tree.masks, tree.gains)
