"""Worker processes that each hold one pipeline; one that dies costs one sample, not the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
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

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class _Job:
    split: BenchmarkSplit
    config: PipelineConfig
    seed: int


class WorkerPool:
    """Runs samples in processes of their own.

    A process that crashes or is killed makes its sample a failed record, and another takes its
    place. The samples of one video go to one process where possible, which keeps it open.

    Args:
        split: Where the samples are from; it is sent to every process.
        config: The pipeline that every process builds.
        num_workers: How many processes.
        seed: The seed of every sample.

    Raises:
        EvaluationError: If the split or the configuration cannot be sent to a process.
    """

    def __init__(
        self, split: BenchmarkSplit, config: PipelineConfig, *, num_workers: int, seed: int
    ) -> None:
        self._job = _Job(split, config, seed)
        self._num_workers = num_workers
        self._workers: list[_Worker] = []

    def run(self, samples: Sequence[Sample]) -> Iterator[Record]:
        """Yield the records of the samples as they are finished, in whatever order.

        Raises:
            VideosegError: If a process cannot be started, or meets what every sample would.
        """
        queue = _VideoQueue(samples)
        try:
            for _ in range(min(self._num_workers, len(samples))):
                self._workers.append(_Worker(self._job))
            while queue or any(worker.sample for worker in self._workers):
                yield from self._step(queue)
        finally:
            self.close()

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _step(self, queue: _VideoQueue) -> Iterator[Record]:
        for worker in self._workers:
            if worker.ready and worker.sample is None and queue:
                worker.give(queue.next(worker.video_id))
        waiting: dict[Any, _Worker] = {}
        for worker in self._workers:
            waiting[worker.connection] = worker
            waiting[worker.process.sentinel] = worker
        # What a process sent before it died is read before its death is looked at.
        for worker in {id(waiting[key]): waiting[key] for key in wait(list(waiting))}.values():
            message = worker.message()
            if isinstance(message, Record):
                yield message
            elif message is None and not worker.process.is_alive():
                yield from self._bury(worker, queue)

    def _bury(self, worker: _Worker, queue: _VideoQueue) -> Iterator[Record]:
        how = _how_it_died(worker.process)
        sample = worker.sample
        if not worker.ready:
            raise EvaluationError(
                f"a worker process did not start: it {how}; run with workers=0 to see why"
            )
        worker.end()
        self._workers.remove(worker)
        if queue:
            self._workers.append(_Worker(self._job))
        if sample is not None:
            error = RecordedError(
                "WorkerDied",
                f"the process that worked on this sample {how}; if memory ran out, use fewer "
                "workers",
            )
            yield failed_record(sample, self._job.split, error, seed=self._job.seed)


class _VideoQueue:
    """Samples left to do, those of one video together."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._videos: OrderedDict[str, list[Sample]] = OrderedDict()
        for sample in samples:
            self._videos.setdefault(sample.video_id, []).append(sample)
        self._begun: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._videos)

    def next(self, video_id: str | None) -> Sample:
        """Take one sample: of this video, or of one not begun, or of the one with most left."""
        if video_id is None or video_id not in self._videos:
            fresh = [name for name in self._videos if name not in self._begun]
            video_id = fresh[0] if fresh else max(self._videos, key=self._num_left)
        self._begun.add(video_id)
        samples = self._videos[video_id]
        sample = samples.pop(0)
        if not samples:
            del self._videos[video_id]
        return sample

    def _num_left(self, video_id: str) -> int:
        return len(self._videos[video_id])


class _Worker:
    """One process, seen from here."""

    def __init__(self, job: _Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        # No daemon: those may not start processes, which readers and models do.
        self.process: SpawnProcess = context.Process(
            target=_work, args=(there, job), name="videoseg-eval"
        )
        self.ready = False
        self.sample: Sample | None = None
        self.video_id: str | None = None
        try:
            self.process.start()
        except (TypeError, AttributeError, ImportError, OSError, ValueError) as error:
            # Pickle has no error of its own for what cannot be pickled.
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

    def give(self, sample: Sample) -> None:
        """Let the process work on a sample."""
        self.sample, self.video_id = sample, sample.video_id
        try:
            self.connection.send(sample)
        except (BrokenPipeError, ConnectionResetError):
            # It died meanwhile; the sentinel tells, and the sample is recorded then.
            return

    def message(self) -> Record | str | None:
        """Return what the process sent; None if there is nothing to read.

        Raises:
            VideosegError: If it met something that every sample would meet.
        """
        try:
            if not self.connection.poll():
                return None
            kind, content = self.connection.recv()
        except (EOFError, ConnectionResetError, OSError):
            # The end of the pipe can be seen a moment before the end of the process.
            self.process.join(_PATIENCE)
            return None
        if kind == "ready":
            self.ready = True
            return "ready"
        if kind == "record":
            self.sample = None
            return Record.from_line(content)
        raise _same_error(*content)

    def end(self) -> None:
        """Kill the process and forget it."""
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(_PATIENCE)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
        self.connection.close()


def _work(connection: Connection, job: _Job) -> None:
    """Answer samples until the other side hangs up; runs in a worker process."""
    # Ctrl-C reaches all processes of a terminal; the one that writes decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_the_parent()
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


def _die_with_the_parent() -> None:
    """End this process when the one that started it is gone, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        # Nobody is left to take the answer; a stage in C code would not notice otherwise.
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _same_error(name: str, text: str) -> VideosegError:
    from videoseg import errors

    kind = getattr(errors, name, None)
    # Some kinds take more than a message; those arrive as the plain kind.
    if isinstance(kind, type) and issubclass(kind, VideosegError) and "__init__" not in vars(kind):
        return kind(text)
    return EvaluationError(f"{name}: {text}")


def _how_it_died(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with status {code}"
