"""Progress of an evaluation, as a bar on a terminal and lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from videoseg.progress import ProgressObserver
from videoseg.text import format_seconds, shorten_text

if TYPE_CHECKING:
    from videoseg.evaluation import Progress, Record

__all__ = ["EvaluationProgress"]

_MEASURES = ("j_and_f", "j", "giou")


class EvaluationProgress(ProgressObserver):
    """Shows the ``on_progress`` calls of ``evaluate``. Close it when the run is over.

    Args:
        stream: Where to write; standard error by default.
        items: What is counted, in the plural.
        quiet: Show nothing but failures.
        max_failures: How many failures to show as they happen, by default all. The number of
            the others is shown at the end, unless this is 0.
        clock: Returns seconds that only increase; for tests.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        items: str = "samples",
        quiet: bool = False,
        max_failures: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream, clock=clock)
        self._items = items
        self._quiet = quiet
        self._max_failures = max_failures
        self._num_failures = 0
        self.latest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step."""
        self.latest = progress
        display = self._open()
        record = progress.record
        if record is not None and record.error is not None:
            self._num_failures += 1
            if self._max_failures is None or self._num_failures <= self._max_failures:
                error = shorten_text(f"{record.error.type}: {record.error.message}", 300)
                display.write(f"{record.sample} failed: {error}")
        if self._quiet:
            return
        text = _describe(progress, self._items)
        if not display.is_live and progress.done in (0, progress.total):
            display.write(text)
        else:
            display.advance(progress.done, progress.total, text)

    def close(self) -> None:
        """Restore the terminal."""
        if self._display is not None and self._max_failures:
            more = self._num_failures - self._max_failures
            if more > 0:
                self._display.write(f"and {more} more failed")
        super().close()


def _describe(progress: Progress, items: str) -> str:
    text = f"{progress.done} of {progress.total} {items}"
    if progress.failed:
        text += f", {progress.failed} failed"
    if progress.seconds_left is not None and progress.done < progress.total:
        text += f", {_duration(progress.seconds_left)} left"
    record = progress.record
    if record is not None and not record.failed:
        text += f"; {record.sample}{_score(record)}"
    return text


def _score(record: Record) -> str:
    from videoseg.evaluation.report.data import percent
    from videoseg.metrics import measure_name

    values = record.score.values if record.score is not None else {}
    name = next((name for name in _MEASURES if name in values), None)
    return "" if name is None else f" {measure_name(name)} {percent(values[name])}"


def _duration(seconds: float) -> str:
    if seconds < 3600:
        return format_seconds(seconds)
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02d} h" if hours < 48 else f"{hours / 24:.1f} days"
