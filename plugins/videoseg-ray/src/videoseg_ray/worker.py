"""What runs inside an actor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from videoseg.evaluation import Record, RecordedError

__all__ = ["Job", "Worker"]


class Job(Protocol):
    """Work that is numbered from 0. It is sent to every actor once."""

    def start(self) -> Callable[[int], Record]:
        """Return what does one piece of the work; called once in each actor.

        What it returns records what goes wrong with this piece, and raises only what would go
        wrong with every other one, too.
        """

    def failed(self, number: int, error: RecordedError) -> Record:
        """Return the record of a piece that nobody could finish."""


class Worker:
    """Holds one pipeline. Ray Data makes one in each actor and calls it with batches of one.

    Args:
        job: A reference to the job, in a list so that Ray does not look it up itself.
    """

    def __init__(self, job: list[Any]) -> None:
        # Weights load with the first piece: an actor that dies of it is noticed as one that
        # died at work. Ray would start one that dies at its beginning again without end.
        self._job_reference = job[0]
        self._work: Callable[[int], Record] | None = None

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
        """Say that a piece of work is begun, do it, and hand over its record.

        An error that concerns all pieces is handed over, too, and not raised.
        """
        number = int(batch["number"][0])
        yield {"number": [number], "line": [""], "error": [""]}
        line = error = ""
        try:
            line = self._started()(number).to_line()
        except Exception as problem:
            error = json.dumps([type(problem).__name__, str(problem)])
        yield {"number": [number], "line": [line], "error": [error]}

    def _started(self) -> Callable[[int], Record]:
        if self._work is None:
            import ray

            job: Job = ray.get(self._job_reference)
            self._work = job.start()
        return self._work
