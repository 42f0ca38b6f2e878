"""Ref-DAVIS17 by its official protocol: expressions become objects, one answer an annotator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videoseg.benchmarks.readers.ref_davis17 import (
    annotators_of,
    described_videos,
    merge_annotator,
)
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.evaluation.predictions import PredictionReader
from videoseg.masks import union_of_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.resize import fitted_masks
from videoseg.types import Rle, VideoSource

__all__ = ["MergedAnnotators"]


class MergedAnnotators:
    """A split of videos and annotators, and the reader of its merged predictions.

    Args:
        split: A split of ``ref-davis17``.
        reader: The predictions of its expressions.
        protocol: The official protocol.

    Raises:
        EvaluationError: If the split is another benchmark's.
    """

    def __init__(
        self, split: BenchmarkSplit, reader: PredictionReader, protocol: EvalProtocol
    ) -> None:
        if not isinstance(split, LoadedSplit):
            raise EvaluationError(
                f"{protocol.name} is for ref-davis17 only, not for {split.name}; choose another "
                "protocol"
            )
        self.name = split.name
        self.protocol = protocol
        self.missing_files = reader.missing_files
        self._split = split
        self._reader = reader
        self._described = described_videos(split)
        self._truth: tuple[str, Truth] | None = None
        self.samples = tuple(
            annotator for video_id in self._described for annotator in annotators_of(video_id)
        )

    def video(self, video_id: str) -> VideoSource:
        """Open a video."""
        return self._split.video(video_id)

    def frame_names(self, video_id: str) -> Sequence[str]:
        """What each frame of a video is called."""
        return self._split.frame_names(video_id)

    def truth(self, sample: Sample) -> Truth:
        """Return all objects of a video.

        Raises:
            EvaluationError: If they cannot be read, or the split does not have them.
        """
        # The four annotators of a video come one after the other.
        if self._truth is None or self._truth[0] != sample.video_id:
            self._truth = (sample.video_id, self._split.video_truth(sample.video_id))
        return self._truth[1]

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Sequence[int] | None:
        """Return None: merged masks are in no pictures."""
        del sample, truth, frame_names
        return None

    def was_run(self, sample: Sample) -> bool:
        """Return whether any expression of a video was asked."""
        return any(map(self._reader.was_run, self._described[sample.video_id]))

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return what is there instead of the expressions of a video."""
        return self._reader.describe(self._described[sample.video_id][0], frame_names)

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return what an annotator's expressions were answered with, merged.

        Raises:
            EvaluationError: If a prediction cannot be used.
        """

        def united(expression: Sample) -> Sequence[Rle | None] | None:
            found = self._reader.read(expression, truth, frame_names)
            if found is None:
                return None
            # Of another size they are only where the protocol resizes them.
            tracks = [fitted_masks(masks, truth.size) for masks in found.values()]
            return [
                union_of_rles([masks[index] for masks in tracks], size=truth.size)
                for index in range(len(truth.frames))
            ]

        return merge_annotator(sample, self._described[sample.video_id], truth, united)
