"""Worker processes with one pipeline each. If one dies, one sample fails and the run goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.types import BenchmarkSplit, Sample
from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation.records import Record, RecordedError
from videoseg.evaluation.sample import SampleRunner, failed_record

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from videoseg.pipeline import PipelineConfig

__all__ = ["WorkerPool"]

_JOIN_SECONDS = 5.0
"""How long to wait for a process to end, in seconds."""


@dataclass(frozen=True, slots=True)
class _Job:
    split: BenchmarkSplit
    config: PipelineConfig
    seed: int


class WorkerPool:
    """Runs samples in worker processes; a ``SampleExecutor``.

    When a process crashes or is killed, its sample becomes a failed record and a new process
    takes its place. Where possible, the samples of one video go to one process, which keeps the
    video open.

    Args:
        num_workers: Number of processes.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._workers: list[_Worker] = []

    def run(
        self,
        split: BenchmarkSplit,
        config: PipelineConfig,
        samples: Sequence[Sample],
        *,
        seed: int,
    ) -> Iterator[Record]:
        """Yield the records of the samples as they finish, in any order.

        Args:
            split: Where the samples are from; it is sent to every process.
            config: The pipeline that every process builds.
            samples: The samples.
            seed: The seed of every sample.

        Raises:
            EvaluationError: If the split or the configuration cannot be sent to a process.
            VideosegError: If a process cannot be started, or has an error that affects every
                sample.
        """
        job = _Job(split, config, seed)
        queue = _VideoQueue(samples)
        try:
            for _ in range(min(self.num_workers, len(samples))):
                self._workers.append(_Worker(job))
            while queue or any(worker.sample for worker in self._workers):
                yield from self._step(job, queue)
        finally:
            for worker in self._workers:
                worker.end()
            self._workers.clear()

    def _step(self, job: _Job, queue: _VideoQueue) -> Iterator[Record]:
        for worker in self._workers:
            if worker.ready and worker.sample is None and queue:
                worker.send(queue.next(worker.video_id))
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

    def _replace(self, worker: _Worker, job: _Job, queue: _VideoQueue) -> Iterator[Record]:
        end = _exit_text(worker.process)
        sample = worker.sample
        if not worker.ready:
            raise EvaluationError(
                f"a worker process did not start: it {end}; run with workers=0 to see why"
            )
        worker.end()
        self._workers.remove(worker)
        if queue:
            self._workers.append(_Worker(job))
        if sample is not None:
            error = RecordedError(
                "WorkerDied",
                f"the process that ran this sample {end}; if memory ran out, use fewer workers",
            )
            yield failed_record(sample, job.split, error, seed=job.seed)


class _VideoQueue:
    """Samples left to run, grouped by video."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._videos: dict[str, list[Sample]] = {}
        for sample in samples:
            self._videos.setdefault(sample.video_id, []).append(sample)
        self._started: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._videos)

    def next(self, video_id: str | None) -> Sample:
        """Take a sample of this video; else of a new video, or of the one with most left."""
        if video_id is None or video_id not in self._videos:
            fresh = [name for name in self._videos if name not in self._started]
            video_id = fresh[0] if fresh else max(self._videos, key=lambda n: len(self._videos[n]))
        self._started.add(video_id)
        samples = self._videos[video_id]
        sample = samples.pop(0)
        if not samples:
            del self._videos[video_id]
        return sample


class _Worker:
    """A worker process, as the main process sees it."""

    def __init__(self, job: _Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        # Not a daemon: those may not start processes, but readers and models do.
        self.process: SpawnProcess = context.Process(
            target=_work, args=(there, job), name="videoseg-eval"
        )
        self.ready = False
        self.sample: Sample | None = None
        self.video_id: str | None = None
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

    def send(self, sample: Sample) -> None:
        """Send a sample to the process."""
        self.sample, self.video_id = sample, sample.video_id
        try:
            self.connection.send(sample)
        except (BrokenPipeError, ConnectionResetError):
            # It has died; its sentinel reports that, and then the sample fails.
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
            self.sample = None
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


def _work(connection: Connection, job: _Job) -> None:
    """Run samples until the main process closes the pipe; the target of a worker process."""
    # A terminal sends Ctrl-C to all its processes; the main one handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _exit_with_parent()
    from videoseg.pipeline import Pipeline

    try:
        pipeline = Pipeline.from_config(job.config)
        run = SampleRunner(pipeline, job.split, seed=job.seed)
        connection.send(("ready", None))
        while True:
            sample: Sample = connection.recv()
            connection.send(("record", run(sample).to_line()))
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
