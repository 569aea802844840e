"""What a process must know to run rows of a batch: every setting and its origin, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tether.cli import engine
from tether.cli.batches.identity import identity
from tether.cli.batches.work import Work
from tether.cli.config.settings import Layer, Origin, Resolved
from tether.cli.session import Session
from tether.cli.tasks import TaskMaker

_FILLINGS = 4
"""Lines that are looked ahead fill the slots so many times; the first rows wait for them."""


@dataclass(frozen=True, slots=True)
class Job:
    """The settings of a batch.

    Attributes:
        resolved: The settings, each with its origin.
        base: Where relative paths of rows start from.
        looks_ahead: Whether lines are there before they are pulled, as those of a file are, so
            that rows of like length can run side by side.
    """

    resolved: Resolved
    base: Path | None = None
    looks_ahead: bool = False

    def packed(self) -> dict[str, Any]:
        """The job as JSON."""
        origins = {
            key: [origin.kind, origin.place, str(origin.base)]
            for key, origin in self.resolved.origins.items()
        }
        return {
            "values": dict(self.resolved.values),
            "origins": origins,
            "base": None if self.base is None else str(self.base),
            "looks_ahead": self.looks_ahead,
        }

    @classmethod
    def unpacked(cls, value: Mapping[str, Any]) -> Self:
        """The job that was `packed`, its values checked again."""
        origins = {
            key: Origin(kind, place, Path(base))
            for key, (kind, place, base) in value["origins"].items()
        }
        values = Layer(value["values"], origins).checked()
        base = value["base"]
        resolved = Resolved(values, origins)
        return cls(resolved, None if base is None else Path(base), value["looks_ahead"])

    def maker(self) -> TaskMaker:
        """The maker of tasks under these settings; see there for what it raises."""
        return TaskMaker(self.resolved, self.base)

    def begin(self, maker: TaskMaker) -> tuple[Work, dict[str, Any]]:
        """Load the models; the work of this process, and all that decides its texts.

        Raises:
            TetherError: A model cannot be used.
        """
        settings = self.resolved.settings
        loaded = engine.load(settings)
        decided = identity(settings, maker.said, maker.texts, loaded)
        ahead = _FILLINGS * settings.slots if self.looks_ahead else 1
        return Work(Session(loaded), maker, settings.slots, ahead), decided
