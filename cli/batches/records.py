"""A finished row as a line: of the output, or of the errors file."""

from __future__ import annotations

import json
from typing import Any

from tether.cli import envelope, numbers
from tether.cli.batches import openai_rows
from tether.cli.batches.journal import Record
from tether.cli.batches.rows import Row
from tether.cli.session import Outcome
from tether.errors import Abstained, GenerationError, TetherError


def record(place: int, row: Row, outcome: Outcome, model: str) -> Record:
    """The record of a row. Holds no time and no count that another run could change."""
    if outcome.error is not None:
        partial = outcome.task.settings.partial
        return Record(place, row.crc, False, failure_line(row, outcome.error, partial=partial))
    return Record(place, row.crc, True, output_line(row, outcome, model))


def output_line(row: Row, outcome: Outcome, model: str) -> str:
    """`{"index", "id"?, "output", "thought"?}`, or the OpenAI form where the row had it."""
    text = outcome.text
    if row.chat:
        return openai_rows.answer(row.chat, row.index, text, outcome.thought, outcome.stats, model)
    line: dict[str, Any] = {"index": row.index}
    if row.id is not None:
        line["id"] = row.id
    line["output"] = numbers.loads(text) if outcome.task.said.is_json else text
    if outcome.verdict is not None:
        line["guarantee"] = envelope.guarantee(outcome)
    if outcome.thought:
        line["thought"] = outcome.thought
    return numbers.dumps(line)


def failure_line(row: Row, error: TetherError, *, partial: bool) -> str:
    """`{"index", "id"?, "reason", "message", "hint"?, "partial"?}`; reasons are error kinds."""
    line: dict[str, Any] = {"index": row.index}
    if row.id is not None:
        line["id"] = row.id
    line |= {"reason": error.kind, "message": error.message}
    if error.hint:
        line["hint"] = error.hint
    if partial and isinstance(error, GenerationError):
        line["partial"] = error.partial
    return numbers.dumps(line)


def abstained(record: Record) -> bool:
    """Whether a row said nothing for want of evidence, which is no failure."""
    return not record.ok and json.loads(record.line)["reason"] == Abstained.kind


def failure_message(line: str) -> str:
    """A line of the errors file as one line for stderr."""
    value = json.loads(line)
    name = f" (id {json.dumps(value['id'], ensure_ascii=False)})" if "id" in value else ""
    hint = f" {value['hint']}" if "hint" in value else ""
    return f"row {value['index']}{name}: {value['message']}{hint}"
