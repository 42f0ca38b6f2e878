"""How far an evaluation has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from videoseg.evaluation.records import Record

__all__ = ["Progress", "ProgressCounter"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Args:
        done: Samples done, those of earlier sessions included.
        total: Samples asked for.
        failed: How many of the done ones failed.
        seconds_left: What the rest will take, judged by this session; None before there is
            anything to judge by.
        record: The sample that was done last in this session.
    """

    done: int
    total: int
    failed: int
    seconds_left: float | None = None
    record: Record | None = None


class ProgressCounter:
    """Counts samples and tells how long the rest will take.

    Args:
        total: Samples asked for.
        before: Those done in earlier sessions, and whether they failed.
        on_progress: Who is told; None for nobody.
    """

    def __init__(
        self,
        total: int,
        before: Mapping[str, bool],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._total = total
        self._already = self._done = len(before)
        self._failed = sum(before.values())
        self._on_progress = on_progress
        self._begin = time.monotonic()

    def tell(self, record: Record | None = None) -> None:
        """Tell how far the run has come."""
        if self._on_progress is None:
            return
        here = self._done - self._already
        passed = time.monotonic() - self._begin
        left = passed / here * (self._total - self._done) if here else None
        self._on_progress(Progress(self._done, self._total, self._failed, left, record))

    def add(self, record: Record) -> None:
        """Count a record."""
        self._done += 1
        self._failed += record.failed
        self.tell(record)
