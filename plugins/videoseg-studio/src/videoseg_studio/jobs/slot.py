"""One worker process, as the server sees it: given a job, watched, stopped."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from videoseg_studio.jobs.exports import ExportWork
from videoseg_studio.jobs.types import JobError
from videoseg_studio.jobs.worker import Work, run_worker

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

__all__ = ["Outcome", "WorkerSlot"]

Outcome: TypeAlias = tuple[Literal["done", "failed", "stopped"], Any]
"""How a job ended: ``done`` with its answer, ``failed`` with a ``JobError``, or ``stopped``."""

_END_SECONDS = 2.0
"""How long a process may take to end before it is killed, in seconds."""


class WorkerSlot:
    """A process that runs jobs one after another; it is started when there is a first one.

    One thread calls ``run``; any thread may call ``stop`` and ``close``.
    """

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._stopped, self._stop = multiprocessing.get_context("spawn").Pipe(duplex=False)

    def run(
        self, work: Work | ExportWork, *, seconds: float, on_message: Callable[[str, Any], None]
    ) -> Outcome:
        """Run a job to its end.

        Args:
            work: The job.
            seconds: How long it may take; it is stopped and failed then.
            on_message: Called with what the worker tells on the way.
        """
        process, connection = self._started()
        deadline = time.monotonic() + seconds
        try:
            connection.send(work)
        except (BrokenPipeError, ConnectionResetError):
            return "failed", self._died()
        while True:
            left = deadline - time.monotonic()
            ready = wait([connection, process.sentinel, self._stopped], max(left, 0))
            if self._stopped in ready:
                self._clear_stops()
                self._end()
                return "stopped", None
            if connection in ready:
                try:
                    kind, content = connection.recv()
                except (EOFError, OSError):
                    return "failed", self._died()
                if kind in ("done", "failed"):
                    return kind, content
                on_message(kind, content)
            elif process.sentinel in ready:
                return "failed", self._died()
            elif left <= 0:
                self._end()
                message = f"it took longer than the {seconds:g} seconds that a job may take"
                return "failed", JobError("TimeLimit", message)

    def stop(self) -> None:
        """End the job that runs, and with it the process; another is started for the next."""
        self._stop.send(None)

    def forget_stops(self) -> None:
        """Forget calls of ``stop`` that came when no job ran."""
        self._clear_stops()

    def close(self) -> None:
        """End the process; no job must be running."""
        self._end()
        self._stop.close()
        self._stopped.close()

    def _clear_stops(self) -> None:
        while self._stopped.poll():
            self._stopped.recv()

    def _started(self) -> tuple[SpawnProcess, Connection]:
        if self._process is not None and self._connection is not None:
            if self._process.is_alive():
                return self._process, self._connection
            self._end()
        context = multiprocessing.get_context("spawn")
        connection, there = context.Pipe()
        # Not a daemon: those may not start processes, but readers and models do.
        process = context.Process(target=run_worker, args=(there,), name="videoseg-job")
        process.start()
        there.close()
        self._process, self._connection = process, connection
        return process, connection

    def _died(self) -> JobError:
        process = self._process
        code = None
        if process is not None:
            process.join(_END_SECONDS)
            code = process.exitcode
        self._end()
        how = f"ended with status {code}"
        if code is not None and code < 0:
            try:
                how = f"was killed by {signal.Signals(-code).name}"
            except ValueError:
                how = f"was killed by signal {-code}"
        return JobError("WorkerDied", f"its process {how}; memory may have run out")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
