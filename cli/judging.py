"""The model as the judge of what a search found; see `tether.grounding.research.Judge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tether.cli.side import answer, prompt_of, spec_of
from tether.grounding.research import Aim, Search
from tether.grounding.sufficiency import relevant_text
from tether.types import Json

if TYPE_CHECKING:
    from tether.cli.engine import Engine
    from tether.grammars.spec import Spec
    from tether.grounding.passages import Passage

_LINE: Json = {"type": "string", "minLength": 1, "maxLength": 160}


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """Judges by constrained answers of an engine.

    Whether a goal is met is one boolean, weighed by its log-odds. Passages of which no sentence
    speaks of the goal never meet it, whatever the model says: small models say yes to anything.
    """

    engine: Engine

    def odds(self, goal: str, passages: Sequence[Passage]) -> float:
        """See `Judge.odds`."""
        if not relevant_text(goal, _texts(passages)):
            return float("-inf")
        spec = spec_of(_object(found={"type": "boolean"}))
        prompt = prompt_of(
            self.engine, f"Do the passages answer this? {goal}", _texts(passages), spec
        )
        return self.engine.odds(prompt, spec, b"t", b"f")

    def rewrite(self, search: Search) -> str:
        """See `Judge.rewrite`."""
        asked = f"Search again, in other words than {search.aim.query!r}, for: {search.aim.goal}"
        return self._say(asked, search.found, spec_of(_object(query=_LINE)))["query"]

    def aim(self, question: str, passages: Sequence[Passage]) -> Aim:
        """See `Judge.aim`."""
        asked = f"What is still to be found out to answer this? {question}"
        said = self._say(asked, passages, spec_of(_object(goal=_LINE, query=_LINE)))
        return Aim(said["goal"], said["query"])

    def _say(self, asked: str, passages: Sequence[Passage], spec: Spec) -> dict[str, str]:
        prompt = prompt_of(self.engine, asked, _texts(passages), spec)
        said: dict[str, str] = answer(self.engine, prompt, spec)
        return said


def _texts(passages: Sequence[Passage]) -> tuple[str, ...]:
    return tuple(passage.text for passage in passages)


def _object(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
