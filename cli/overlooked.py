"""What a task asks and nothing heeds: said once, since nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tether.cli.engine import Engine
    from tether.cli.session import Task


def overlooked(task: Task, engine: Engine) -> Iterator[str]:
    """Sentences for people about settings of a task that have no effect here."""
    settings = task.settings
    if task.system and settings.raw_prompt:
        yield "a raw prompt has no place for instructions (system)"
    elif task.system and engine.reads_fields:
        yield f"{engine.name} reads no instructions (system)"
    if settings.raw_prompt and (task.passages or task.retriever is not None):
        yield "a raw prompt stays as it is; passages are not written into it"
    if settings.stop and task.said.spec is not None:
        yield "stop texts end free text only; a constraint says itself where its text ends"
