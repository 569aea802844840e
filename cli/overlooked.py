"""What a task asks and nothing heeds: said once, since nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tether.cli.config.settings_model import Settings
from tether.decoding.drafts.registry import parse as parse_drafters
from tether.decoding.terms.parse import parse_all
from tether.decoding.terms.term import roles

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
    yield from _without_index(settings)
    yield from _unheard(settings)
    if settings.abstain == "off" and _is_set(settings, "abstain_below"):
        yield "nothing abstains, whatever abstain_below is (abstain)"


def _without_index(settings: Settings) -> Iterator[str]:
    for name in ("passages", "retrieve"):
        if settings.index is None and _is_set(settings, name):
            yield f"nothing is searched, whatever {name} is (index)"


def _unheard(settings: Settings) -> Iterator[str]:
    """Models that are named, and loaded, for nothing."""
    heard = {role for term in parse_all(settings.contrast) for role in roles(term)}
    for role, name in (("amateur", settings.amateur), ("expert", settings.expert)):
        if name is not None and role not in heard:
            yield f"no contrast listens to {name} (contrast)"
    drafters = parse_drafters(settings.draft, has_model=True)
    if settings.draft_model is not None and not {"model", "rapid"}.intersection(drafters):
        yield f"nothing is drafted with {settings.draft_model} (draft)"


def _is_set(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != Settings.model_fields[name].default)
