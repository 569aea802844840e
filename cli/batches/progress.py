"""How a batch goes on, for a person at a terminal: rows, tokens a second, failures, time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from tether.cli.bars import Bars
from tether.cli.batches.records import abstained

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from tether.cli.batches.rows import Line
    from tether.cli.batches.work import Ended


class BatchProgress(Bars):
    """Counts rows; draws a bar where stderr is a terminal.

    Args:
        size: Bytes of the input, for the time left; None where they cannot be known.
    """

    def __init__(self, size: int | None) -> None:
        super().__init__()
        self._size = size
        self._began = time.perf_counter()
        self.num_rows = self.num_failed = self.num_tokens = self.num_taken_back = 0
        self.num_abstained = self.num_left_out = 0

    def __enter__(self) -> Self:
        """Start drawing."""
        super().__enter__()
        if self._bars is not None:
            self._task = self._bars.add_task("", total=self._size, rows=0, rate=0, failed=0)
        return self

    def fed(self, line: Line) -> None:
        """A line of the input was read."""
        if self._bars is not None:
            self._bars.update(self._task, completed=line.end)

    def ended(self, ended: Ended) -> None:
        """A row ended."""
        self.num_rows += 1
        silent = abstained(ended.record)
        self.num_abstained += silent
        self.num_failed += not (ended.record.ok or silent)
        self.num_left_out += ended.num_left_out
        self.num_tokens += ended.num_tokens
        self.num_taken_back += ended.num_taken_back
        if self._bars is not None:
            self._bars.update(
                self._task, rows=self.num_rows, rate=self._rate(), failed=self.num_failed
            )

    def summary(self) -> str:
        """One line on this run, for --stats."""
        seconds = time.perf_counter() - self._began
        abstained = f"{self.num_abstained} abstained, " if self.num_abstained else ""
        summary = (
            f"{self.num_rows} rows, {self.num_failed} failed, {abstained}{self.num_tokens} tokens, "
            f"{self.num_taken_back} taken back, {seconds:.1f} s, {self._rate():.0f} tokens/s"
        )
        left_out = f"; passages of the index left out for want of room: {self.num_left_out}"
        return summary + (left_out if self.num_left_out else "")

    def columns(self) -> tuple[ProgressColumn, ...]:
        """See Bars."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        return (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]} rows"),
            TextColumn("{task.fields[rate]:.0f} tok/s"),
            TextColumn("{task.fields[failed]} failed"),
            TimeRemainingColumn(),
        )

    def _rate(self) -> float:
        return self.num_tokens / max(time.perf_counter() - self._began, 1e-9)
