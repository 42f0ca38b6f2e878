"""Official protocol of Ref-DAVIS17: the objects of a video, merged for each of four annotators.

Khoreva et al. (ACCV 2018) let two people describe every object twice: from the first frame and
from the whole video. The masks of one annotator's expressions become one picture of all objects,
which is scored with the protocol ``ref-davis17-official``; the overall score is the mean of the
four annotators, as each has the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError, ShapeError
from videoseg.evaluation.predictions import PredictionReader
from videoseg.masks import union_of_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import REF_DAVIS17
from videoseg.metrics.task import MaskSequence, fitted_masks
from videoseg.types import BoolArray, Rle, VideoSource

__all__ = ["NUM_ANNOTATORS", "MergedAnnotators", "merge_objects"]

NUM_ANNOTATORS = 4
"""Two people described every object twice: from the first frame and from the whole video."""


class MergedAnnotators:
    """A split of annotators instead of expressions, and the reader of their merged predictions.

    Each sample is one annotator of one video, ``annotator-0`` to ``annotator-3``. Expressions of
    a video come object by object: expression ``4 * i + k`` is annotator ``k``'s for the ``i``-th
    object. Predicted objects are numbered from 1 in that order. The truth is every annotated
    object of the video, described or not.

    Args:
        split: A split of ``ref-davis17``.
        reader: The predictions of its expressions.
        protocol: The official protocol.

    Raises:
        EvaluationError: If the split is another benchmark's, or a video does not have four
            expressions for each object.
    """

    def __init__(
        self, split: BenchmarkSplit, reader: PredictionReader, protocol: EvalProtocol
    ) -> None:
        if split.protocol != REF_DAVIS17 or not isinstance(split, LoadedSplit):
            raise EvaluationError(
                f"{protocol.name} is for ref-davis17 only, not for {split.name}; choose another "
                "protocol"
            )
        self.name = split.name
        self.protocol = protocol
        self.missing_files = reader.missing_files
        self._split = split
        self._reader = reader
        self._expressions = _expressions_by_video(split)
        self._truth: tuple[str, Truth] | None = None
        self.samples = tuple(
            Sample(video_id, name, "", group=name)
            for video_id in self._expressions
            for name in (f"annotator-{number}" for number in range(NUM_ANNOTATORS))
        )

    def video(self, video_id: str) -> VideoSource:
        """Open a video."""
        return self._split.video(video_id)

    def frame_names(self, video_id: str) -> Sequence[str]:
        """Return the name of each frame of a video."""
        return self._split.frame_names(video_id)

    def truth(self, sample: Sample) -> Truth:
        """Return all annotated objects of a video.

        Raises:
            EvaluationError: If they cannot be read, or the split does not have them.
        """
        # The four annotators of a video follow each other.
        if self._truth is None or self._truth[0] != sample.video_id:
            self._truth = (sample.video_id, self._split.video_truth(sample.video_id))
        return self._truth[1]

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Sequence[int] | None:
        """Return None: merged masks have no pictures."""
        del sample, truth, frame_names
        return None

    def was_run(self, sample: Sample) -> bool:
        """Return whether any expression of a video was run."""
        return any(map(self._reader.was_run, self._expressions[sample.video_id]))

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return what is there instead of the expressions of a video."""
        return self._reader.describe(self._expressions[sample.video_id][0], frame_names)

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return the merged predictions of an annotator; None if no expression has one.

        Raises:
            EvaluationError: If a prediction cannot be used.
        """
        number = int(sample.expression_id.rpartition("-")[2])
        expressions = self._expressions[sample.video_id][number::NUM_ANNOTATORS]
        tracks = [self._union(expression, truth, frame_names) for expression in expressions]
        if all(track is None for track in tracks):
            return None
        empty = (None,) * len(truth.frames)
        return merge_objects({place: track or empty for place, track in enumerate(tracks, 1)})

    def _union(
        self, expression: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> list[Rle | None] | None:
        found = self._reader.read(expression, truth, frame_names)
        if found is None:
            return None
        # Other sizes get here only where the protocol resizes them.
        tracks = [fitted_masks(masks, truth.size) for masks in found.values()]
        return [
            union_of_rles([masks[index] for masks in tracks], size=truth.size)
            for index in range(len(truth.frames))
        ]


def merge_objects(masks: Mapping[int, MaskSequence]) -> dict[int, list[Rle | None]]:
    """Merge the masks of one annotator's expressions into masks that do not overlap.

    Where objects overlap, the first one keeps the pixel. The published conversion does the same:
    argmax over a background of 0.1 and masks of 0 and 1.

    Args:
        masks: For each object, in the order of the benchmark, the masks predicted for its
            expression, one for each frame. An expression without a prediction has None on each
            frame.

    Returns:
        For each object its masks without the pixels of earlier objects; None for empty.

    Raises:
        ShapeError: If the objects have different numbers of frames, or sizes of masks.
    """
    lengths = {len(sequence) for sequence in masks.values()}
    if len(lengths) > 1:
        raise ShapeError("the masks of objects", actual=tuple(sorted(lengths)), expected="(T,)")
    merged: dict[int, list[Rle | None]] = {key: [] for key in masks}
    for frame in zip(*masks.values(), strict=True):
        taken: BoolArray | None = None
        for sequence, rle in zip(merged.values(), frame, strict=True):
            if rle is None:
                sequence.append(None)
                continue
            mask = rle.decode()
            if taken is None:
                taken = np.zeros_like(mask)
            elif mask.shape != taken.shape:
                raise ShapeError("a mask", actual=mask.shape, expected=str(taken.shape))
            mask &= ~taken
            taken |= mask
            sequence.append(Rle.encode(mask) if mask.any() else None)
    return merged


def _expressions_by_video(split: BenchmarkSplit) -> dict[str, list[Sample]]:
    by_video: dict[str, list[Sample]] = {}
    for sample in split.samples:
        by_video.setdefault(sample.video_id, []).append(sample)
    for video_id, samples in by_video.items():
        if len(samples) % NUM_ANNOTATORS:
            raise EvaluationError(
                f"video {video_id!r} has {len(samples)} expressions; the official protocol needs "
                f"{NUM_ANNOTATORS} for each object, object by object"
            )
    return by_video
