"""How well `--abstain` tells answers that the passages carry, and how its weights were fitted.

    python benchmarks/abstain.py [--fit] [--seed 2] [--count 200]

Questions of generated worlds (see `worlds.py`). An answer is carried where a passage states it
(sets stale, agree and unseen) and it is the one that was given. It is not where no passage states
any (missing, irrelevant, beside, though memory may know it), or where the model said another. With
--fit the weights of `grounding/sufficiency.py` are fitted on that seed and printed, to be put
there: a ridge logistic regression whose constant puts the lowest twentieth of the carried answers
below 0.5. Else one row a way of decoding: AUROC of the score, and the shares that the default
threshold withholds. Judge by another seed than the fitted one, which was 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rows import Rows, parser, say
from worlds import Question, world

from tether.cli import engine
from tether.cli.abstention import signs
from tether.cli.config.settings import resolve
from tether.cli.preparing import Preparer
from tether.cli.said import Said
from tether.cli.session import Task
from tether.decoding.builtin.scores import Share
from tether.grounding.sufficiency import relevant_text, score

STATED = ("stale", "agree", "unseen")
WAYS: Mapping[str, list[str]] = {"passages in the prompt": [], "copy": ["copy"]}
LIMIT, BELOW, KEPT, RIDGE = 48, 0.5, 0.95, 0.003
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the score weighs, of one answer.

    Attributes:
        name: The set of its question.
        carried: Whether the passages carry it.
        relevant: Whether any sentence speaks of the question; where not, nothing is generated.
        signs: (said, sure).
    """

    name: str
    carried: bool
    relevant: bool
    signs: tuple[float, float]

    def score(self) -> float:
        """The score; 0 where nothing is generated."""
        return score(*self.signs) if self.relevant else 0.0


def main() -> None:
    """Fit, or measure."""
    shared = parser(__doc__)
    shared.add_argument("--fit", action="store_true", help="print weights in place of rows")
    shared.add_argument("--seed", type=int, default=2, help="of the world")
    shared.add_argument("--count", type=int, default=200, help="questions a set")
    given = shared.parse_args()
    torch.set_num_threads(1)
    sets = world(given.seed, 8 if given.quick else given.count)
    model = {"model": given.model} if given.model else {}
    seen = {name: list(_seen(sets, ground, model)) for name, ground in WAYS.items()}
    if given.fit:
        _fit([one for found in seen.values() for one in found])
        return
    rows = Rows("abstain", quick=given.quick)
    for name, found in seen.items():
        figures = _figures(found)
        say(
            f"{name}: " + ", ".join(f"{key} {value['share']:.3f}" for key, value in figures.items())
        )
        rows.add({"method": name}, figures, settings={"seed": given.seed, "below": BELOW})


def _seen(
    sets: Mapping[str, Sequence[Question]], ground: list[str], model: Mapping[str, str]
) -> Iterator[Seen]:
    """Every question answered, and what was seen of that."""
    settings = resolve(
        {"abstain": "exit", "ground": ground, "max_tokens": LIMIT, "dtype": "float32", **model},
        environ={},
    ).settings
    loaded = engine.load(settings)
    preparer = Preparer(loaded)
    for name, asked in sets.items():
        tasks = [Task("", q.text, settings, Said(), q.passages) for q in asked]
        prepared = [preparer.prepare(str(n), task) for n, task in enumerate(tasks)]
        results = {r.key: r for r in loaded.run((request for request, _ in prepared), slots=16)}
        for n, (task, (_, one), question) in enumerate(zip(tasks, prepared, asked, strict=True)):
            assert one.surety is not None, "the task may abstain"
            found = signs(task, one.evidence.texts, results[str(n)], one.surety)
            relevant = bool(relevant_text(task.text, one.evidence.texts))
            carried = name in STATED and results[str(n)].text == question.gold
            yield Seen(name, carried, relevant, found)


def _figures(seen: Sequence[Seen]) -> dict[str, dict[str, float]]:
    """AUROC against all others and against those of each set; the shares withheld."""
    carried = [one.score() for one in seen if one.carried]
    others: dict[str, list[float]] = {}
    for one in seen:
        if not one.carried:
            others.setdefault(one.name, []).append(one.score())
    every = [value for values in others.values() for value in values]
    figures = {"AUROC": {"share": _auroc(carried, every)}}
    figures |= {f"AUROC {name}": {"share": _auroc(carried, v)} for name, v in others.items()}
    for name, values in {"carried": carried, "others": every, **others}.items():
        share = Share(sum(value < BELOW for value in values), len(values))
        low, high = share.interval()
        count = {"count": len(values)}
        figures[f"{name} withheld"] = {"share": share.value, "low": low, "high": high, **count}
    return figures


def _auroc(above: Sequence[float], below: Sequence[float]) -> float:
    """The probability that a carried answer scores above another; ties count half."""
    gaps = np.subtract.outer(np.array(above), np.array(below))
    return float((gaps > 0).mean() + (gaps == 0).mean() / 2)


def _fit(seen: Sequence[Seen]) -> None:
    """Print the weights."""
    known = [one for one in seen if one.relevant]
    carried = np.array([one.carried for one in known], float)
    whole = np.array([one.signs for one in known])
    weights = _regression(whole, carried)
    totals = weights[0] + whole @ weights[1:]
    weights[0] -= np.quantile(totals[carried > 0], 1 - KEPT)
    say(f"CONSTANT, SAID, SURE = {', '.join(f'{weight:.3f}' for weight in weights)}")


def _regression(inputs: Floats, labels: Floats) -> Floats:
    """Constant and weights of a logistic regression with a ridge, by Newton's method."""
    middle, scale = inputs.mean(0), inputs.std(0) + 1e-9
    table = np.column_stack([np.ones(len(inputs)), (inputs - middle) / scale])
    weights, ridge = np.zeros(table.shape[1]), RIDGE * len(table)
    for _ in range(40):
        chance = 1 / (1 + np.exp(-table @ weights))
        curve = table.T @ (table * (chance * (1 - chance))[:, None]) + ridge * np.eye(len(weights))
        weights += np.linalg.solve(curve, table.T @ (labels - chance) - ridge * weights)
    plain = weights[1:] / scale
    return np.array([weights[0] - plain @ middle, *plain])


if __name__ == "__main__":
    main()
