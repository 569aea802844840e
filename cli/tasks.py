"""From settings and what a row says to tasks: texts read, templates filled, constraints named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tether.cli import said, texts
from tether.cli.batches.rows import Row
from tether.cli.config.settings import Layer, Origin, Resolved
from tether.cli.retrieval import retriever
from tether.cli.said import Said
from tether.cli.session import Task
from tether.cli.template import Template
from tether.errors import TetherError, UsageError

_SAYING = (*said.KEYS, "guarantee", "property_order", "whitespace", "bound", "verbatim")


class TaskMaker:
    """Makes tasks under one set of settings; reads the files that these name, once.

    Args:
        resolved: The settings.
        base: Where relative paths of rows start from.
        said_already: What may be said, where it is no text that settings could hold.

    Raises:
        UsageError: A text cannot be read.
        RefusedError: The template or the constraint is refused.
        UnavailableError: The index cannot be used.
    """

    def __init__(
        self, resolved: Resolved, base: Path | None = None, said_already: Said | None = None
    ) -> None:
        self._resolved = resolved
        self._base = base or Path.cwd()
        self.said = said_already or said.read(resolved)
        self.system = texts.read(resolved["system"])
        self.passages = tuple(texts.read(text) for text in resolved["evidence"])
        template = texts.read(resolved["template"])
        self.retriever = retriever(resolved.settings)
        place = resolved.origins["template"].place
        self.template = Template.parse(template, place) if template else None

    @property
    def texts(self) -> dict[str, Any]:
        """The texts that were read, for a batch's identity."""
        return {
            "template": self.template.parts if self.template else "",
            "system": self.system,
            "evidence": self.passages,
            "index": self.retriever.identity if self.retriever else None,
        }

    def task(self, row: Row, origin: object) -> Task:
        """The task of a batch row; what is wrong with the row stands in its `error`."""
        if row.error is None:
            try:
                return self._row_task(row, origin)
            except TetherError as error:
                row_error = error
        else:
            row_error = row.error
        settings = self._resolved.settings
        return Task(row.key, "", settings, self.said, origin=origin, error=row_error)

    def single(
        self, prompt: str, fields: Mapping[str, str], passages: Sequence[str] = (), key: str = ""
    ) -> Task:
        """The task of one prompt.

        Raises:
            UsageError: The template lacks a field, or a field has no place in it.
        """
        values = dict(fields)
        if prompt or self.template is None:
            values["prompt"] = prompt
        unused = [name for name in values if name not in self._names]
        if unused:
            raise UsageError(
                f"The template has no place for `{unused[0]}`.",
                hint=f"Write {{{unused[0]}}} into it."
                if self.template
                else "Fields need a template (--template).",
            )
        return Task(
            key,
            self._text(values),
            self._resolved.settings,
            self.said,
            passages=(*self.passages, *passages),
            retriever=self.retriever,
            system=self.system,
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return self.template.names if self.template else ("prompt",)

    def _row_task(self, row: Row, origin: object) -> Task:
        resolved, wanted = self._resolved, self.said
        if row.overrides:
            place = Origin("row", f"row {row.index}", self._base)
            layer = Layer(row.overrides, dict.fromkeys(row.overrides, place))
            resolved = resolved.over(layer)
            if not row.overrides.keys().isdisjoint(_SAYING):
                wanted = said.read(resolved)
        # Texts of a row are data: `@` has no meaning in them.
        system = row.overrides.get("system", self.system)
        evidence = row.overrides.get("evidence", ())
        return Task(
            row.key,
            self._text(row.fields),
            resolved.settings,
            wanted,
            passages=(*self.passages, *evidence),
            retriever=self.retriever,
            system=system,
            turns=row.chat.said.turns if row.chat else (),
            origin=origin,
        )

    def _text(self, fields: Mapping[str, Any]) -> str:
        if self.template is not None:
            return self.template.fill(fields)
        return str(fields.get("prompt", ""))
