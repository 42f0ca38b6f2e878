"""The bounded queue of jobs, with their states on disk."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from typing import Any

from videoseg.errors import OutputError, VideosegError
from videoseg.files import FileLock, make_folder
from videoseg.text import format_count
from videoseg_studio.jobs.journal import Journal
from videoseg_studio.jobs.slot import Outcome, WorkerSlot
from videoseg_studio.jobs.types import Job, JobError, JobRequest, JobState
from videoseg_studio.jobs.worker import Work
from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.settings import Settings

__all__ = ["JobQueue"]

_FIRST_WAIT = 30.0
"""How long a job is thought to take before one has been seen, in seconds."""

_LONGEST_WAIT = 600

_log = logging.getLogger("videoseg_studio")


class JobQueue:
    """Runs jobs in worker processes, and keeps their states and results on disk.

    ``open`` finds the jobs of an earlier server, ``close`` ends the processes; it is a context
    manager, too. All methods may be called from any thread.

    Args:
        settings: Limits and folders.
        prepare: Turns a request into the work of a worker. Raises a ``VideosegError`` if it is
            not allowed (any more).
    """

    def __init__(self, settings: Settings, prepare: Callable[[Job, Journal], Work]) -> None:
        self.journal = Journal(settings.data_folder / "jobs")
        self._settings = settings
        self._prepare = prepare
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[str] = deque()
        self._running: dict[str, WorkerSlot] = {}
        self._cancelled: set[str] = set()
        self._deleted: set[str] = set()
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self._durations: deque[float] = deque(maxlen=10)
        self._changed = threading.Condition()
        self._is_open = False
        self._threads: list[threading.Thread] = []
        self._lock = FileLock(settings.data_folder / "server.lock")

    # -- starting and ending ---------------------------------------------------------------

    def __enter__(self) -> JobQueue:
        self.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def open(self) -> None:
        """Take over the jobs on disk and begin to run; does nothing if it is open.

        Raises:
            OutputError: If another server uses the folder, or it cannot be written.
        """
        if self._is_open:
            return
        try:
            make_folder(self._settings.data_folder)
        except OSError as error:
            raise OutputError(
                f"cannot write to {self._settings.folder}: {error.strerror or error}; choose "
                "another folder, or check its permissions"
            ) from error
        if not self._lock.acquire():
            raise OutputError(
                f"another server uses {self._settings.folder}; stop it, or choose another folder"
            )
        for job in self.journal.read():
            self._recover(job)
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._serve, name=f"videoseg-jobs-{number}", daemon=True)
            for number in range(self._settings.num_workers)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the processes; jobs that run are interrupted, those that wait are kept on disk."""
        with self._changed:
            if not self._is_open:
                return
            self._is_open = False
            for slot in self._running.values():
                slot.stop()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._lock.release()

    def _recover(self, job: Job) -> None:
        """Take over a job of an earlier server: those that waited wait again."""
        self._jobs[job.id] = job
        if job.state == "queued":
            self._waiting.append(job.id)
        elif job.state == "running":
            self.journal.clear(job.id)
            message = "the server ended while the job ran; submit it again"
            self._finish(job, "interrupted", error=JobError("Interrupted", message))

    # -- what clients do ---------------------------------------------------------------------

    def check_free(self) -> None:
        """Check that a job can be taken, before its upload is read.

        Raises:
            RequestError: With status 429 and the time to wait, if the queue is full.
        """
        with self._changed:
            self._check_free()

    def submit(self, job_id: str, request: JobRequest) -> Job:
        """Put a job at the end of the queue.

        Args:
            job_id: A new id; the upload is in its folder already.
            request: What is asked.

        Returns:
            A copy of the job.

        Raises:
            RequestError: With status 429, if the queue is full.
            VideosegError: If the request is not allowed, or cannot be written to disk.
        """
        job = Job(job_id, request)
        self._prepare(job, self.journal)
        with self._changed:
            self._check_free()
            self.journal.write(job)
            self._jobs[job.id] = job
            self._waiting.append(job.id)
            self._changed.notify()
            return copy(job)

    def get(self, job_id: str) -> Job:
        """Return a copy of a job.

        Raises:
            RequestError: With status 404, if there is none.
        """
        with self._changed:
            return copy(self._find(job_id))

    def all(self) -> list[Job]:
        """Return copies of all jobs, newest first."""
        with self._changed:
            jobs = reversed(self._jobs.values())
            return [copy(job) for job in jobs if job.id not in self._deleted]

    def place_of(self, job_id: str) -> int | None:
        """Return how many jobs wait before this one; None if it does not wait."""
        with self._changed:
            try:
                return self._waiting.index(job_id)
            except ValueError:
                return None

    def cancel(self, job_id: str) -> Job:
        """Cancel a job that waits or runs; one that has ended stays as it is.

        Returns:
            A copy of the job. One that runs is ``cancelled`` within seconds, not at once.
        """
        with self._changed:
            job = self._find(job_id)
            if job.state == "queued":
                self._waiting.remove(job_id)
                self.journal.clear(job_id)
                self._finish(job, "cancelled")
            elif job.state == "running" and job_id not in self._cancelled:
                self._cancelled.add(job_id)
                self._running[job_id].stop()
            return copy(job)

    def delete(self, job_id: str) -> None:
        """Cancel a job and delete everything of it: upload, result, exports."""
        self.cancel(job_id)
        with self._changed:
            if not self._find(job_id).is_finished:
                self._deleted.add(job_id)
                return
            self._remove(job_id)
        self.journal.delete(job_id)

    def listen(self, job_id: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Call something, from any thread, whenever a job changes.

        Returns:
            A function that ends this.
        """
        with self._changed:
            self._find(job_id)
            self._listeners.setdefault(job_id, set()).add(listener)

        def end() -> None:
            with self._changed:
                listeners = self._listeners.get(job_id, set())
                listeners.discard(listener)
                if not listeners:
                    self._listeners.pop(job_id, None)

        return end

    # -- running ---------------------------------------------------------------------------

    def _serve(self) -> None:
        """Run jobs until the queue is closed; the target of a thread for each worker."""
        slot = WorkerSlot()
        try:
            while (job := self._next(slot)) is not None:
                self._run(job, slot)
        finally:
            slot.close()

    def _next(self, slot: WorkerSlot) -> Job | None:
        with self._changed:
            while self._is_open and not self._waiting:
                self._changed.wait()
            if not self._is_open:
                return None
            job = self._jobs[self._waiting.popleft()]
            slot.forget_stops()
            self._running[job.id] = slot
            job.state, job.started = "running", time.time()
            self._note(job)
            return job

    def _run(self, job: Job, slot: WorkerSlot) -> None:
        outcome: Outcome
        try:
            work = self._prepare(job, self.journal)
            outcome = slot.run(
                work,
                seconds=self._settings.job_seconds,
                on_message=lambda kind, content: self._hear(job, kind, content),
            )
        except VideosegError as error:
            # The video was deleted meanwhile, or the operator allows less than before.
            outcome = "failed", JobError(type(error).__name__, str(error))
        except Exception:
            _log.exception("job %s could not be run", job.id)
            outcome = (
                "failed",
                JobError("ServerError", "the server failed; its log has the reason"),
            )
        with self._changed:
            del self._running[job.id]
            how: str = outcome[0]
            content: Any = outcome[1]
            if how != "done":
                self.journal.clear(job.id)
            if how == "done":
                job.answer = content
                self._durations.append(time.time() - (job.started or 0))
                self._finish(job, "done")
            elif how == "failed":
                self._finish(job, "failed", error=content)
            elif job.id in self._cancelled:
                self._finish(job, "cancelled")
            else:
                message = "the server was stopped while the job ran; submit it again"
                self._finish(job, "interrupted", error=JobError("Interrupted", message))
            self._cancelled.discard(job.id)
            removed = self._surplus()
            if job.id in self._deleted:
                self._deleted.discard(job.id)
                removed.append(job.id)
            for job_id in removed:
                self._remove(job_id)
        # Not with the lock: results may be thousands of files.
        for job_id in removed:
            self.journal.delete(job_id)

    def _hear(self, job: Job, kind: str, content: Any) -> None:
        with self._changed:
            if kind == "progress":
                job.progress = content
            elif kind == "answer":
                job.answer = content
            self._tell(job.id)

    # -- states; the lock is held in all of these ---------------------------------------------

    def _find(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or job_id in self._deleted:
            raise RequestError(404, "there is no job of this id; it may have been deleted")
        return job

    def _check_free(self) -> None:
        if len(self._waiting) < self._settings.max_queued:
            return
        known = self._durations
        seconds = sum(known) / len(known) if known else _FIRST_WAIT
        wait = min(max(1, round(seconds / self._settings.num_workers)), _LONGEST_WAIT)
        raise RequestError(
            429,
            f"the queue is full ({format_count(len(self._waiting), 'job')}); try again in "
            f"{format_count(wait, 'second')}",
            headers={"Retry-After": str(wait)},
        )

    def _finish(self, job: Job, state: JobState, *, error: JobError | None = None) -> None:
        job.state, job.error = state, error
        job.finished = time.time()
        job.progress = None
        self._note(job)

    def _note(self, job: Job) -> None:
        """Write the state of a job to disk and tell who listens."""
        try:
            self.journal.write(job)
        except VideosegError as error:
            # The disk is full, for one; the job goes on, and clients are told its state.
            _log.error("the state of job %s is not on disk: %s", job.id, error)
        self._tell(job.id)

    def _tell(self, job_id: str) -> None:
        for listener in tuple(self._listeners.get(job_id, ())):
            listener()

    def _remove(self, job_id: str) -> None:
        """Forget a job; its folder is deleted next, even by another server."""
        self._jobs.pop(job_id, None)
        self.journal.forget(job_id)
        self._tell(job_id)

    def _surplus(self) -> list[str]:
        """Return the oldest finished jobs that are more than are kept."""
        finished = [job.id for job in self._jobs.values() if job.is_finished]
        return finished[: max(0, len(finished) - self._settings.max_kept)]
