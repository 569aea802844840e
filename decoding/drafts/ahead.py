"""One turn with drafts: what is read ahead, and the answers as long as rows say what was drafted.

A row that says something else, or takes something back, has left its draft; what it says next is
asked of the next forward, as without drafts. So this decides when a token is chosen, never which;
but for rows that ask for a rule, by which drawn tokens may be taken (`rules_walk.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from tether.decoding.contrast import own_logits
from tether.decoding.drafts.draft import NOTHING, Draft
from tether.decoding.drafts.drafting import Drafted, Drafting, Outcome, can_draft
from tether.decoding.drafts.judge import IsOpen, judged, step_of
from tether.decoding.drafts.rules_law import is_judged, is_lossy, is_ruled, laws
from tether.decoding.drafts.rules_walk import reads, walk, walk_typical
from tether.decoding.grounds.gather import OPEN_SHARE
from tether.decoding.head import pays
from tether.decoding.lane import Reading
from tether.decoding.row import Row
from tether.decoding.views import Views


class Ahead:
    """The drafts of one turn.

    Args:
        drafting: Proposes them and learns.
        rows: All rows of the turn.
        views: Hold the rows.
    """

    def __init__(self, drafting: Drafting, rows: Sequence[Row], views: Views) -> None:
        self._drafting, self._rows, self._views = drafting, rows, views
        self._certain = views.num_pending(rows)
        able = [row for row in rows if can_draft(row)]
        drafting.pace.turn()
        is_resting = drafting.pace.is_resting
        self._drafted = drafting.propose(able, len(rows), self._certain, views.num_prompts)
        self._began = drafting.pace.clock()
        learners = [
            row for row in able if not is_resting or row in self._drafted or is_ruled(row.request)
        ]
        self._turns = {row: _Turn(row, self._drafted.get(row)) for row in learners}
        self._planned: dict[Row, deque[int]] = {}
        self._logits: Tensor | None = None
        self._states: Mapping[Row, Tensor] = {}
        self._known: np.ndarray[tuple[int], np.dtype[np.uint32]] | None = None

    @property
    def drafts(self) -> Mapping[Row, Draft]:
        """What the forward reads after its rows."""
        return {row: drafted.draft for row, drafted in self._drafted.items()}

    def read(self, reading: Reading, masks: Tensor | None) -> Tensor | None:
        """The logits [rows, vocab] at the end of the rows; None where nothing is drafted.

        One product of the head makes them and those after all drafted tokens.

        Args:
            reading: Of the forward.
            masks: int32 [rows, words] of the rows; None where none is constrained.
        """
        if not self._drafted:
            return None
        views, rows = self._views, self._rows
        nodes = [views.drafted(row, reading) for row in self._drafted]
        self._states = dict(zip(self._drafted, nodes, strict=True))
        is_free = any(not drafted.masks for drafted in self._drafted.values())
        if is_free or not pays(views.networks["model"]):
            masks = None  # the whole head is read anyway
        if masks is not None:
            masks = torch.cat([masks, *map(_masks, self._drafted.values())])
        hidden = torch.cat([views.own(rows, reading), *nodes])
        self._logits = own_logits(views, rows, hidden, masks)
        if masks is not None:
            self._known = np.bitwise_or.reduce(masks.numpy().view(np.uint32), axis=0)
        firsts = accumulate(map(len, nodes), initial=len(rows))
        for row, first in zip(self._drafted, firsts, strict=False):
            self._turns[row].first = first
        return self._logits[: len(rows)]

    def answered(self) -> list[Row]:
        """The rows that go on within their drafts."""
        return [row for row in self._drafted if self._turns[row].goes_on(row)]

    def answers(self, rows: Sequence[Row], masks: Tensor | None) -> Tensor | None:
        """The logits [rows, vocab] where these rows stand; None where some were left out.

        Args:
            rows: From `answered`.
            masks: int32 [rows, words] of what they may say now.
        """
        assert self._logits is not None, "there are drafts"
        if self._known is not None and masks is not None:
            is_unknown = bool((masks.numpy().view(np.uint32) & ~self._known).any())
            if is_unknown:
                return None
        return self._logits[[self._turns[row].first + self._turns[row].node for row in rows]]

    def reading(self, rows: Sequence[Row], reading: Reading) -> Reading:
        """As read where these rows stand, if anything but their logits reshapes a choice.

        Args:
            rows: From `answered`.
            reading: Of the forward.
        """
        if not any(row.request.terms or row.request.sources for row in rows):
            return reading
        return self._views.after({row: self._turns[row].node for row in rows}, reading)

    def settle(
        self, rows: Sequence[Row], tokens: list[int], logits: Tensor, masks: Tensor | None
    ) -> None:
        """Put what their rules say in the place of the tokens of some rows.

        Args:
            rows: A token of each was chosen.
            tokens: Of these rows; changed.
            logits: float [rows, vocab] that they were chosen by; -inf where no text may be.
            masks: int32 [rows, words]; None for none.
        """
        for place, row in enumerate(rows):
            if row not in self._turns or not (is_ruled(row.request) or is_lossy(row.request)):
                continue
            if row not in self._planned:
                here = None if masks is None else masks[place : place + 1]
                self._planned[row] = self._plan(row, logits[place : place + 1], here)
            said = tokens[place]
            if self._planned[row]:
                said = self._planned[row].popleft()
            elif row.request.lossy == "judge" and row in self._states:
                said = self._judged(row, said, None if masks is None else masks[place])
            if said != tokens[place] and is_lossy(row.request):
                row.swayed()
            tokens[place] = said

    def _judged(self, row: Row, choice: int, mask: Tensor | None) -> int:
        """What a row says where it stands, by the judge; see `_openness`."""
        likes = partial(self._drafting.judge().likes, at=row.request.lossy_at)
        draft, node = self._drafted[row].draft, self._turns[row].node
        return judged(draft, node, choice, self._states[row], self._openness(row, mask), likes)

    def _kept(self, row: Row, mask: Tensor | None) -> deque[int]:
        """The step that was drafted, where it is kept; see `_openness`."""
        drafted, judge = self._drafted[row], self._drafting.judge()
        chosen = [gain > 0 for gain in drafted.gains]
        step = step_of(drafted.draft, chosen, self._openness(row, mask))
        if not step or not judge.keeps(self._states[row][step], row.request.lossy_at):
            return deque()
        return deque(drafted.draft.tokens[node] for node in step)

    def _openness(self, row: Row, mask: Tensor | None) -> IsOpen:
        """Where free text goes on: most may be said, and no name of a member.

        Args:
            row: It is drafted.
            mask: int32 [words] where it stands; None where no row is constrained.
        """
        here, masks = self._turns[row].node, self._drafted[row].masks

        def is_open(node: int) -> bool:
            if not row.constrained:
                return True
            found = mask.numpy() if node == here and mask is not None else masks[node]
            least = len(found) * 32 // OPEN_SHARE
            return int(np.bitwise_count(found.view(np.uint32)).sum()) >= least and not row.in_key

        return is_open

    def _plan(self, row: Row, logits: Tensor, mask: Tensor | None) -> deque[int]:
        """The tokens of a row in this turn by its rule; it stands before all of them."""
        if is_judged(row.request):
            is_step = row.request.lossy == "arbitrage" and row in self._states
            return self._kept(row, None if mask is None else mask[0]) if is_step else deque()
        sampling = row.request.sampling
        draft = NOTHING
        if (drafted := self._drafted.get(row)) is not None and self._logits is not None:
            draft, first = drafted.draft, self._turns[row].first
            nodes = self._logits[first : first + len(draft)]
            nodes = nodes.masked_fill(torch.isneginf(logits), -torch.inf) if mask is None else nodes
            logits = torch.cat([logits, nodes])
            if mask is not None:
                own = _masks(drafted) if drafted.masks else mask.expand(len(draft), -1)
                mask = torch.cat([mask, own])
        if is_lossy(row.request):
            warm = replace(sampling, temperature=sampling.temperature or 1.0)
            chosen = [] if drafted is None else [gain > 0 for gain in drafted.gains]
            return deque(walk_typical(draft, laws(warm, logits, mask), chosen))
        drawn = self._drafting.drawn(row)
        if drawn is None:
            return deque()
        return deque(walk(drawn, reads(draft, laws(sampling, logits, mask), drawn.whole)))

    def end(self, reading: Reading, logits: Tensor) -> None:
        """Keep in the cache what came true, and learn.

        Args:
            reading: Of the forward.
            logits: float [rows, vocab], at the end of the rows before the turn.
        """
        if not self._drafted:
            self._timed()
        self._learn(reading, logits)
        if self._drafted:
            self._timed()

    def _timed(self) -> None:
        """The turn is over, but for what is learned without drafts."""
        pace = self._drafting.pace
        drafted = sum(
            len(each.draft) * self._views.num_prompts(row) for row, each in self._drafted.items()
        )
        pace.timed(len(self._rows), self._certain, drafted, pace.clock() - self._began)

    def _learn(self, reading: Reading, logits: Tensor) -> None:
        places = {row: place for place, row in enumerate(self._rows)}
        for row, turn in self._turns.items():
            drafted = self._drafted.get(row)
            accepted = [] if drafted is None else turn.accepted(row, self._views)
            needs = self._drafting.needs(row)
            outcome = Outcome(
                context=turn.context,
                choices=turn.choices(row),
                accepted=accepted,
                logits=self._logits_of(row, logits[places[row]]) if "logits" in needs else None,
                hidden=self._hidden_of(row, reading) if "hidden" in needs else None,
            )
            self._drafting.learn(row, drafted, outcome)

    def _logits_of(self, row: Row, root: Tensor) -> Tensor:
        """Of the end of a row and of its draft, [1 + nodes, vocab]."""
        if row not in self._drafted or self._logits is None:
            return root[None]
        first = self._turns[row].first
        nodes = self._logits[first : first + len(self._drafted[row].draft)]
        return torch.cat([root[None], nodes])

    def _hidden_of(self, row: Row, reading: Reading) -> Tensor:
        """Of the same places, [1 + nodes, width]."""
        root = self._views.own([row], reading)
        if row not in self._drafted:
            return root
        return torch.cat([root, self._views.drafted(row, reading)])


class _Turn:
    """Where a row stood when a turn began, and where it stands in its draft.

    Attributes:
        context: What it had said.
        first: Where its draft begins among the answers.
        node: After which it stands; -1 before the first.
    """

    def __init__(self, row: Row, drafted: Drafted | None) -> None:
        self.context = list(row.context)
        self.first, self.node = 0, -1
        self._draft = NOTHING if drafted is None else drafted.draft
        self._taken_back, self._done = row.num_taken_back, len(row.context)
        self._choices = [0]

    def goes_on(self, row: Row) -> bool:
        """Whether all that the row has said since is drafted, and it is to say more."""
        if row.finish is not None or row.num_taken_back != self._taken_back:
            return False
        said = row.context[self._done :]
        nodes = list(self._draft.follow(said, self.node))
        if not said or len(nodes) < len(said):
            return False
        self.node, self._done = nodes[-1], len(row.context)
        self._choices.append(self._done - len(self.context))
        return True

    def choices(self, row: Row) -> Sequence[int]:
        """As in `Verdict`."""
        return () if row.num_taken_back != self._taken_back else self._choices

    def accepted(self, row: Row, views: Views) -> Sequence[int]:
        """The nodes along what the row has said since; the cache of one that runs holds them."""
        if views.held(row) < len(self.context):
            return ()  # it has taken back what stood before the draft
        nodes = list(self._draft.follow(row.context[len(self.context) :]))
        if row.finish is None:  # else it needs no cache any more
            views.keep(row, nodes)
        return nodes


def _masks(drafted: Drafted) -> Tensor:
    """int32 [nodes, words]."""
    return torch.from_numpy(np.array(drafted.masks, dtype=np.int32).reshape(len(drafted.draft), -1))
