"""Saying nothing where the evidence does not carry the answer (`--abstain`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tether.cli import numbers
from tether.errors import Abstained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.cli.session import Task
    from tether.decoding.request import Result
    from tether.grammars.constraint import Constraint
    from tether.grounding.witness import Surety

_HINT = "Give other passages, lower --abstain-below, or leave --abstain out."


def check_relevance(task: Task, texts: Sequence[str]) -> None:
    """Refuse to answer from passages that do not speak of what is asked; costs no generation.

    Raises:
        Abstained: The task is to abstain, and no sentence of its passages does.
    """
    from tether.grounding.sufficiency import relevant_text

    if task.settings.abstain == "off" or not (texts and task.settings.abstain_below):
        return
    if task.text.strip() and not relevant_text(task.text, texts):
        raise Abstained("No sentence of the evidence speaks of what is asked.", hint=_HINT)


def carried(task: Task, texts: Sequence[str], result: Result, surety: Surety) -> float:
    """The score of a finished answer, 0 to 1."""
    from tether.grounding.sufficiency import score

    return score(*signs(task, texts, result, surety))


def signs(task: Task, texts: Sequence[str], result: Result, surety: Surety) -> tuple[float, float]:
    """What the score weighs; a model that had no choice was sure.

    Args:
        task: The row's.
        texts: The passages as its prompt held them; without any, its text is what was read.
        result: A finished answer.
        surety: Watched it.
    """
    from tether.grounding import sufficiency

    least = surety.least(result.tokens, result.stats.output_tokens)
    question, read = (task.text, texts) if texts else ("", [task.text])
    answer = numbers.loads(result.text) if task.said.is_json else result.text
    return sufficiency.signs(answer, sufficiency.relevant_text(question, read), least or 0.0)


def refusal(score: float, below: float, text: str) -> Abstained | None:
    """Why an answer is withheld, where its score is too low; `partial` is the answer."""
    if score >= below:
        return None
    return Abstained(
        f"The evidence does not carry the answer: it scores {score:.2f} of at least {below:g}.",
        partial=text,
        hint=_HINT,
    )


def allows_null(task: Task, constraint: Constraint | None) -> bool:
    """Whether `null` is printed instead: it was asked for, and satisfies the constraint."""
    wanted = task.settings.abstain == "null" and task.said.is_json
    return wanted and constraint is not None and constraint.validate("null") is None
