"""Ref-DAVIS17 by its official protocol: expressions become objects, one answer an annotator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videoseg.benchmarks.annotators import merge_annotators
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.evaluation.predictions import PredictionReader
from videoseg.masks import union_of_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import Rle, VideoSource

__all__ = ["MergedAnnotators"]


class MergedAnnotators:
    """A split of videos and annotators, and the reader of its merged predictions.

    Args:
        split: A split of ``ref-davis17``.
        reader: The predictions of its expressions.
        protocol: The official protocol.

    Raises:
        EvaluationError: If the split is another benchmark's, or a prediction cannot be used.
    """

    def __init__(
        self, split: BenchmarkSplit, reader: PredictionReader, protocol: EvalProtocol
    ) -> None:
        if not isinstance(split, LoadedSplit):
            raise EvaluationError(
                f"{protocol.name} is for ref-davis17 only, not for {split.name}; choose another "
                "protocol"
            )

        def united(sample: Sample) -> Sequence[Rle | None] | None:
            truth = split.truth(sample)
            if truth is None:
                return None
            found = reader.read(sample, truth, split.frame_names(sample.video_id))
            if found is None:
                return None
            return [
                union_of_rles([masks[index] for masks in found.values()], size=truth.size)
                for index in range(len(truth.frames))
            ]

        self.name = split.name
        self.protocol = protocol
        self.missing_files = reader.missing_files
        self._split = split
        self._merged = {
            sample.id: (sample, masks, truth)
            for sample, masks, truth in merge_annotators(split, united)
        }
        self.samples = tuple(sample for sample, _, _ in self._merged.values())

    def video(self, video_id: str) -> VideoSource:
        """Open a video."""
        return self._split.video(video_id)

    def frame_names(self, video_id: str) -> Sequence[str]:
        """What each frame of a video is called."""
        return self._split.frame_names(video_id)

    def truth(self, sample: Sample) -> Truth:
        """Return all objects of a video."""
        return self._merged[sample.id][2]

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return what an annotator's expressions were answered with, merged."""
        del truth, frame_names
        return self._merged[sample.id][1]
