"""Work that is divided into pieces, for worker processes and clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from videoseg.benchmarks.types import BenchmarkSplit, Sample
from videoseg.evaluation.records import Record, RecordedError
from videoseg.evaluation.sample import SampleRunner, failed_record

if TYPE_CHECKING:
    from videoseg.pipeline import PipelineConfig

__all__ = ["EvaluationJob", "Job", "JobExecutor"]


class Job(Protocol):
    """Work of which the pieces are numbered from 0. It can be pickled, for other processes."""

    def start(self) -> Callable[[int], Record]:
        """Return a function that does one piece of the work; called once in each process.

        That function records the errors of its piece, and raises only errors that every other
        piece would have, too.
        """

    def make_failed(self, number: int, error: RecordedError) -> Record:
        """Return the record of a piece whose process died."""


class JobExecutor(Protocol):
    """Does jobs somewhere else, such as in processes or on a cluster.

    ``evaluate`` and ``segment_videos`` keep the records.
    """

    @property
    def num_workers(self) -> int:
        """How many pieces of work are done in parallel."""

    def run(self, job: Job, groups: Sequence[Sequence[int]]) -> Iterator[Record]:
        """Yield one record for each piece of work as it is done, in any order.

        The iterator is closed when the run is interrupted.

        Args:
            job: The work.
            groups: The numbers of the pieces to do; at least one. Those of a group belong to
                one video, which a process may keep open.

        Raises:
            VideosegError: If something is missing that every piece needs. Errors of a single
                piece belong in its record.
        """


@dataclass(frozen=True)
class EvaluationJob:
    """Samples of a benchmark to run and score.

    Args:
        split: Where the samples are from.
        config: The pipeline that each process builds.
        samples: The samples.
        seed: The seed of every sample.
    """

    split: BenchmarkSplit
    config: PipelineConfig
    samples: tuple[Sample, ...]
    seed: int

    @property
    def groups(self) -> list[list[int]]:
        """The numbers of the samples, grouped by video."""
        videos: dict[str, list[int]] = {}
        for number, sample in enumerate(self.samples):
            videos.setdefault(sample.video_id, []).append(number)
        return list(videos.values())

    def start(self) -> Callable[[int], Record]:
        """Build the pipeline; return what runs and scores a sample."""
        from videoseg.pipeline import Pipeline

        run = SampleRunner(Pipeline.from_config(self.config), self.split, seed=self.seed)
        return lambda number: run(self.samples[number])

    def make_failed(self, number: int, error: RecordedError) -> Record:
        """Return the record of a sample whose process died; it counts as zero."""
        return failed_record(self.samples[number], self.split, error, seed=self.seed)
