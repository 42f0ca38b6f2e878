"""Shows how far an evaluation has come: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from videoseg.text import format_seconds, printable, shorten_text

if TYPE_CHECKING:
    from videoseg.evaluation import Progress, Record

__all__ = ["EvaluationProgress"]

_INTERVAL = 10.0
_MEASURES = ("j_and_f", "j", "giou")


class EvaluationProgress:
    """Takes the ``on_progress`` calls of ``evaluate``. Close it when the run is over.

    Args:
        stream: Where to write; standard error by default.
        quiet: Show nothing but failures.
        max_failures: How many failures are shown as they happen; by default all. The number of
            the others is told at the end, unless none was to be shown.
        clock: Seconds that only go forward; for tests.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        max_failures: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._max_failures = max_failures
        self._num_failures = 0
        self._clock = clock
        self._last = float("-inf")
        self._bar: Any = None
        self._task: Any = None
        self.latest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step."""
        self.latest = progress
        record = progress.record
        if record is not None and record.error is not None:
            self._num_failures += 1
            if self._max_failures is None or self._num_failures <= self._max_failures:
                said = shorten_text(f"{record.error.type}: {record.error.message}", 300)
                self._line(f"{record.sample} failed: {said}")
        if self._quiet:
            return
        if self._stream.isatty():
            self._draw(progress)
        elif self._clock() - self._last >= _INTERVAL or progress.done == progress.total:
            self._last = self._clock()
            self._line(_told(progress))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._max_failures and self._num_failures > self._max_failures:
            self._line(f"and {self._num_failures - self._max_failures} more failed")
            self._num_failures = 0

    def __enter__(self) -> EvaluationProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, text: str) -> None:
        text = printable(text)
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=progress.total)
        told = printable(_told(progress))
        self._bar.update(self._task, completed=progress.done, description=told)


def _told(progress: Progress) -> str:
    text = f"{progress.done} of {progress.total} samples"
    if progress.failed:
        text += f", {progress.failed} failed"
    if progress.seconds_left is not None and progress.done < progress.total:
        text += f", {_duration(progress.seconds_left)} left"
    record = progress.record
    if record is not None and not record.failed:
        text += f"; {record.sample}{_score(record)}"
    return text


def _score(record: Record) -> str:
    from videoseg.evaluation.report.tables import measure_name, percent

    values = record.score.values if record.score is not None else {}
    name = next((name for name in _MEASURES if name in values), None)
    return "" if name is None else f" {measure_name(name)} {percent(values[name])}"


def _duration(seconds: float) -> str:
    if seconds < 3600:
        return format_seconds(seconds)
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02d} h" if hours < 48 else f"{hours / 24:.1f} days"
