"""Where samples are run, when that is not in this process nor in processes it starts itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from videoseg.benchmarks.types import BenchmarkSplit, Sample
from videoseg.evaluation.records import Record

if TYPE_CHECKING:
    from videoseg.pipeline import PipelineConfig

__all__ = ["SampleExecutor"]


class SampleExecutor(Protocol):
    """Runs samples for ``evaluate``, which keeps the records and makes the report."""

    @property
    def num_workers(self) -> int:
        """How many pipelines work side by side."""

    def run(
        self,
        split: BenchmarkSplit,
        config: PipelineConfig,
        samples: Sequence[Sample],
        *,
        seed: int,
    ) -> Iterator[Record]:
        """Yield one record for each sample as it is finished, in whatever order.

        The iterator is closed when the run is broken off.

        Args:
            split: Where the samples are from.
            config: The pipeline to build.
            samples: What is left to do; at least one.
            seed: The seed of every sample.

        Raises:
            VideosegError: If something is missing that every sample needs. What goes wrong
                with one sample belongs into its record; see ``failed_record``.
        """
