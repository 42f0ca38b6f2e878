"""Worker processes with one pipeline each. If one dies, one piece of work fails, no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation.jobs import Job
from videoseg.evaluation.records import Record, RecordedError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

__all__ = ["WorkerPool"]

_JOIN_SECONDS = 5.0
"""How long to wait for a process to end, in seconds."""


class WorkerPool:
    """Does jobs in worker processes; a ``JobExecutor``.

    When a process crashes or is killed, its piece of work becomes a failed record and a new
    process takes its place. Where possible, the pieces of one video go to one process, which
    keeps the video open.

    Args:
        num_workers: Number of processes.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._workers: list[_Worker] = []

    def run(self, job: Job, groups: Sequence[Sequence[int]]) -> Iterator[Record]:
        """Yield the records of a job as its pieces are done; see ``JobExecutor.run``.

        Raises:
            EvaluationError: If the job cannot be sent to a process.
            VideosegError: If a process cannot be started, or has an error that affects every
                piece.
        """
        queue = _Queue(groups)
        try:
            for _ in range(min(self.num_workers, len(queue))):
                self._workers.append(_Worker(job))
            while queue or any(worker.number is not None for worker in self._workers):
                yield from self._step(job, queue)
        finally:
            for worker in self._workers:
                worker.end()
            self._workers.clear()

    def _step(self, job: Job, queue: _Queue) -> Iterator[Record]:
        for worker in self._workers:
            if worker.ready and worker.number is None and queue:
                worker.send(*queue.next(worker.group))
        waiting: dict[Any, _Worker] = {}
        for worker in self._workers:
            waiting[worker.connection] = worker
            waiting[worker.process.sentinel] = worker
        # Messages that a process sent before it died are read first.
        for worker in {id(waiting[key]): waiting[key] for key in wait(list(waiting))}.values():
            message = worker.message()
            if isinstance(message, Record):
                yield message
            elif message is None and not worker.process.is_alive():
                yield from self._replace(worker, job, queue)

    def _replace(self, worker: _Worker, job: Job, queue: _Queue) -> Iterator[Record]:
        end = _exit_text(worker.process)
        number = worker.number
        if not worker.ready:
            raise EvaluationError(
                f"a worker process did not start: it {end}; run with workers=0 to see why"
            )
        worker.end()
        self._workers.remove(worker)
        if queue:
            self._workers.append(_Worker(job))
        if number is not None:
            error = RecordedError(
                "WorkerDied",
                f"its process {end}; if memory ran out, use fewer workers",
            )
            yield job.make_failed(number, error)


class _Queue:
    """Pieces of work that are left, in their groups."""

    def __init__(self, groups: Sequence[Sequence[int]]) -> None:
        self._groups = {place: list(group) for place, group in enumerate(groups) if group}
        self._started: set[int] = set()

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def next(self, group: int | None) -> tuple[int, int]:
        """Take a piece of this group; else of a new one, or of the one with most left.

        Returns:
            The number of the piece, and its group.
        """
        if group is None or group not in self._groups:
            fresh = [place for place in self._groups if place not in self._started]
            group = fresh[0] if fresh else max(self._groups, key=lambda k: len(self._groups[k]))
        self._started.add(group)
        numbers = self._groups[group]
        number = numbers.pop(0)
        if not numbers:
            del self._groups[group]
        return number, group


class _Worker:
    """A worker process, as the main process sees it."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        # Not a daemon: those may not start processes, but readers and models do.
        self.process: SpawnProcess = context.Process(
            target=_work, args=(there, job), name="videoseg-eval"
        )
        self.ready = False
        self.number: int | None = None
        self.group: int | None = None
        try:
            self.process.start()
        except (TypeError, AttributeError, ImportError, OSError, ValueError) as error:
            # Pickle raises errors of any type for objects that cannot be pickled.
            self.connection.close()
            raise EvaluationError(
                f"a worker process could not be started: {error}; run with workers=0"
            ) from error
        except Exception as error:
            self.connection.close()
            raise EvaluationError(
                f"the benchmark or the pipeline cannot be sent to a worker process: {error}; "
                "run with workers=0"
            ) from error
        finally:
            there.close()

    def send(self, number: int, group: int) -> None:
        """Send the number of a piece of work to the process."""
        self.number, self.group = number, group
        try:
            self.connection.send(number)
        except (BrokenPipeError, ConnectionResetError):
            # It has died; its sentinel reports that, and then the piece fails.
            return

    def message(self) -> Record | str | None:
        """Return the next message of the process; None if there is none.

        Raises:
            VideosegError: The error, if the process had one that affects every sample.
        """
        try:
            if not self.connection.poll():
                return None
            kind, content = self.connection.recv()
        except (EOFError, ConnectionResetError, OSError):
            # The pipe may close a moment before the process ends.
            self.process.join(_JOIN_SECONDS)
            return None
        if kind == "ready":
            self.ready = True
            return "ready"
        if kind == "record":
            self.number = None
            return Record.from_line(content)
        raise _rebuild_error(*content)

    def end(self) -> None:
        """End the process and close its pipe."""
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(_JOIN_SECONDS)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
        self.connection.close()


def _work(connection: Connection, job: Job) -> None:
    """Do pieces of work until the main process closes the pipe; a worker process's target."""
    # A terminal sends Ctrl-C to all its processes; the main one handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _exit_with_parent()
    try:
        work = job.start()
        connection.send(("ready", None))
        while True:
            number: int = connection.recv()
            connection.send(("record", work(number).to_line()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except VideosegError as error:
        connection.send(("error", (type(error).__name__, str(error))))


def _exit_with_parent() -> None:
    """End this process when its parent is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        # At once: a stage in C code would otherwise run to its end for nothing.
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _rebuild_error(name: str, text: str) -> VideosegError:
    from videoseg import errors

    kind = getattr(errors, name, None)
    # Errors that take more than a message arrive as EvaluationError.
    if isinstance(kind, type) and issubclass(kind, VideosegError) and "__init__" not in vars(kind):
        return kind(text)
    return EvaluationError(f"{name}: {text}")


def _exit_text(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with status {code}"
