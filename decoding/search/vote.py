"""Multi-path voting over closed answers: paths of one row, and the answer they elect.

Paths start with the best first tokens of every view of the prompt and go on greedily under the
constraint. A path votes for the answer it reaches, with the probability of its first choice times
its certainty: the gap between the best two tokens, at the choices after the first. Probabilities
are on the mask, contrast included. Source: the published code of MVP (arXiv 2408.17150), whose
paths reason before they answer; here the grammar says where the choices stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tether.decoding.blend import blend, score, sound
from tether.decoding.contrast import contrasted
from tether.decoding.models.base import Network
from tether.decoding.reference import add_bias, penalise, unpack
from tether.decoding.request import Request
from tether.decoding.row import Row
from tether.decoding.sampling import Controls
from tether.decoding.terms.mvp import Mvp
from tether.decoding.terms.term import Role
from tether.decoding.views import Views
from tether.errors import UsageError

_LEAST = 0.001  # paths of less probable first choices are not followed

Make = Callable[[Request], Row]
Masks = Callable[[Sequence[Row]], Tensor | None]


@dataclass(frozen=True, slots=True)
class Vote:
    """What a path says: an answer, and how much it is worth."""

    answer: str
    first: float
    certainty: float
    say: float = 1.0


@dataclass(slots=True)
class Path:
    """A row whose first choice is the one of this rank; it is dropped where there is none."""

    row: Row
    rank: int
    say: float
    first: float = 0.0
    certainty: float = 1.0
    dropped: bool = False

    @property
    def running(self) -> bool:
        """Whether it has not come to an end."""
        return self.row.finish is None and not self.dropped

    @property
    def vote(self) -> Vote:
        """What it says, once it has ended."""
        return Vote(self.row.result().text, self.first, self.certainty, self.say)

    def take(self, odds: Tensor) -> None:
        """Choose a token by the probabilities [vocab] of this step, where there is a choice."""
        best = odds.topk(min(max(2, self.rank + 1), len(odds)))
        place = 0
        if float(best.values[1]) > 0:
            place = self._choose(best.values.tolist())
        if not self.dropped:
            self.row.take(int(best.indices[place]))

    def _choose(self, best: list[float]) -> int:
        """The place of the token: the path's rank at its first choice, then the best."""
        if self.first:
            self.certainty *= best[0] - best[1]
            return 0
        place = min(self.rank, len(best) - 1)
        self.first, self.dropped = best[place], place < self.rank or best[place] < _LEAST
        return place


def tally(votes: Iterable[Vote]) -> dict[str, float]:
    """The sum of the votes for each answer, in the order in which answers were named."""
    sums: dict[str, float] = {}
    for vote in votes:
        sums[vote.answer] = sums.get(vote.answer, 0.0) + vote.say * vote.first * vote.certainty
    return sums


def check_poll(request: Request) -> None:
    """Refuse a vote that has no closed answers.

    Raises:
        UsageError: The request is free text, or thinks first.
    """
    if polls(request) and (request.constraint is None or request.think is not None):
        raise UsageError(
            "mvp votes among closed answers.",
            hint="Give --choice, or a schema of enums, without --think.",
        )


def polls(request: Request) -> bool:
    """Whether paths of the request elect its answer."""
    return any(isinstance(term, Mvp) for term in request.terms)


def elect(request: Request, networks: Mapping[Role, Network], make: Make, masks: Masks) -> Row:
    """The finished row of the elected answer.

    Args:
        request: Has an `Mvp` among its terms, and a constraint.
        networks: As of `Views`.
        make: Makes a row of a request.
        masks: int32 [rows, words] of running rows.
    """
    (term,) = (term for term in request.terms if isinstance(term, Mvp))
    views = Views(networks, 2 * term.paths)
    paths = list(_paths(request, term, make))
    opened = [path for path in paths if path.running]
    for path in opened:
        views.open(path.row)
    while opened:
        _step(views, opened, masks)
        for path in opened:
            if not path.running:
                views.close(path.row)
        opened = [path for path in opened if path.running]
    return _elected(paths)


def _step(views: Views, paths: Sequence[Path], masks: Masks) -> None:
    """One token of every path."""
    rows = [path.row for path in paths]
    allowed = masks(rows)
    for path, odds in zip(paths, _odds(views, rows, allowed), strict=True):
        if path.running:
            path.take(odds)
        if path.running:
            views.check_room(path.row)


def _odds(views: Views, rows: Sequence[Row], masks: Tensor | None) -> Tensor:
    """Probabilities [rows, vocab] of the next tokens, contrast included; temperature has no say."""
    said = contrasted(views, rows, views.run(), masks)
    for row, asked, led in zip(rows, said.asked, said.led, strict=True):
        row.forwarded(asked, led=led)
    controls = Controls.of([row.request.sampling for row in rows], said.logits.device)
    inputs = controls.inputs(rows, said.logits, masks)
    inputs = replace(inputs, contrast=said.contrast, head=said.head)
    log_p = torch.log_softmax(sound(inputs.logits), dim=1)
    assert inputs.mask is not None, "the rows of a poll are constrained"
    scores = score(blend(log_p, inputs), log_p, unpack(inputs.mask, log_p.shape[1]), inputs)
    return torch.softmax(penalise(add_bias(scores, inputs), inputs), dim=1)


def _elected(paths: Sequence[Path]) -> Row:
    """The row of the answer with most votes; any row where none came to an end."""
    ended = [path for path in paths if path.row.finish == "stop" and not path.dropped]
    if not ended:  # all ran into the same limit
        return next(path.row for path in paths if path.row.finish is not None)
    sums = tally(path.vote for path in ended)
    answer = max(sums, key=lambda text: sums[text])
    return next(path.row for path in ended if path.vote.answer == answer)


def _paths(request: Request, term: Mvp, make: Make) -> Iterator[Path]:
    """`paths` rows of the prompt and of each other view of it."""
    others = tuple(other for other in request.terms if other is not term)
    turned = request.prompts.get("turned", request.prompt)
    prompts = [(request.prompt, 1.0)] + [(turned, term.weight)] * (turned != request.prompt)
    for prompt, say in prompts:
        for rank in range(term.paths):
            yield Path(make(replace(request, prompt=prompt, terms=others)), rank, say)
