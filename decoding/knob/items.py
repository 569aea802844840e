"""What a knob is learnt from: prompts, and what each answers from its evidence and from memory.

A row of the file is a JSON object with `prompt`, optional `evidence` (a list of texts), the answers
`context` and `prior` (at least one), and `intent`, where the prompt itself makes the model answer
by one of them: because it says so, or because there is nothing else to answer from. Rows with an
intent show the knob; rows with an answer under the other intent are turned by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tether.decoding.knob.file import Intent
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.errors import EvidenceError

INTENTS: tuple[Intent, Intent] = get_args(Intent)


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt with its answers.

    Attributes:
        prompt: Token ids.
        answers: Token ids with the end token, by the intent under which they are right.
        intent: The one that the prompt itself has; None where the knob decides.
    """

    prompt: tuple[int, ...]
    answers: Mapping[Intent, tuple[int, ...]]
    intent: Intent | None = None


def read_items(path: Path, model: Model) -> list[Item]:
    """The rows of a JSONL file as token ids.

    Raises:
        EvidenceError: A row is not as it should be, or the file cannot be read.
        UsageError: A prompt is longer than the model's positions.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{path} cannot be read: {error}.", hint=_FORM) from error
    places = ((f"{path}: row {number}", line) for number, line in enumerate(lines, 1))
    return [_item(line, place, model) for place, line in places if line.strip()]


def _item(line: str, place: str, model: Model) -> Item:
    row = _row(line, place)
    evidence = row.get("evidence", [])
    if not isinstance(evidence, list) or not all(isinstance(text, str) for text in evidence):
        raise EvidenceError(f"{place}: `evidence` is no list of texts.", hint=_FORM)
    if row.get("intent") not in (None, *INTENTS):
        raise EvidenceError(f"{place}: {row['intent']!r} is no intent.", hint=_FORM)
    answers = {intent: row[intent] for intent in INTENTS if intent in row}
    if not answers or not all(isinstance(text, str) and text for text in answers.values()):
        raise EvidenceError(f"{place} has no answer.", hint=_FORM)
    if row.get("intent", next(iter(answers))) not in answers:
        raise EvidenceError(f"{place} has no answer by its own intent.", hint=_FORM)
    vocabulary = model.vocabulary
    return Item(
        encode(model, Prompt(row["prompt"], tuple(evidence))),
        {k: (*vocabulary.encode(text), vocabulary.eos_id) for k, text in answers.items()},
        row.get("intent"),
    )


def _row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise EvidenceError(f"{place} is no JSON: {error}.", hint=_FORM) from error
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise EvidenceError(f"{place} has no `prompt`.", hint=_FORM)
    if unknown := row.keys() - {"prompt", "evidence", "intent", *INTENTS}:
        raise EvidenceError(f"{place} has the unknown key `{min(unknown)}`.", hint=_FORM)
    return row


_FORM = (
    'A row is {"prompt": TEXT, "evidence": [TEXT], "context": ANSWER, "prior": ANSWER, '
    '"intent": "context" or "prior"}; evidence, intent and one of the answers may be left out.'
)
