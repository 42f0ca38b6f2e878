"""A pool of Ray actors as an executor of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from videoseg.evaluation import Job, Record
from videoseg_ray.actors import Actors
from videoseg_ray.job import run_job
from videoseg_ray.session import ray_session

__all__ = ["RayExecutor"]


class RayExecutor:
    """Does jobs on a pool of actors, for ``evaluate`` and ``segment_videos`` of videoseg.

    Connects to Ray on first use; leaving the ``with`` block disconnects.

    Args:
        actors: The pool.
        address: The cluster; see ``evaluate``.
    """

    def __init__(self, actors: Actors | None = None, *, address: str | None = None) -> None:
        self._actors = actors or Actors()
        self._address = address
        self._stack = ExitStack()
        self._ray: Any = None

    @property
    def num_workers(self) -> int:
        """The number of actors, given enough samples."""
        fitting = self._actors.fitting(self._connect().nodes())
        return self._actors.num or fitting

    def run(self, job: Job, groups: Sequence[Sequence[int]]) -> Iterator[Record]:
        """Yield the records of a job as its pieces are done; see ``JobExecutor.run``."""
        actors, ray = self._actors, self._connect()
        # Also where their number is given: pieces that fit nowhere would wait forever.
        fitting = actors.fitting(ray.nodes())
        yield from run_job(ray, job, groups, actors=actors, num_actors=actors.num or fitting)

    def close(self) -> None:
        """Disconnect from Ray, if this object connected to it."""
        self._ray = None
        self._stack.close()

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> Any:
        if self._ray is None:
            self._ray = self._stack.enter_context(ray_session(self._address))
        return self._ray
