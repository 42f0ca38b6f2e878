"""The official protocol of Ref-DAVIS17: four annotators, the objects of each merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.metrics.annotators import merge_objects
from videoseg.metrics.protocols import REF_DAVIS17
from videoseg.types import Rle

__all__ = [
    "NUM_ANNOTATORS",
    "annotators_of",
    "described_videos",
    "merge_annotator",
    "merge_annotators",
]

NUM_ANNOTATORS = 4
"""Two people described every object twice: from the first frame and from the whole video."""


@runtime_checkable
class _KnowsVideos(Protocol):
    def video_truth(self, video_id: str) -> Truth:
        """Return all annotated objects of a video."""


def merge_annotators(
    split: BenchmarkSplit, predicted: Callable[[Sample], Sequence[Rle | None] | None]
) -> Iterator[tuple[Sample, dict[int, tuple[Rle | None, ...]] | None, Truth]]:
    """Turn predictions of expressions into one of all objects per video and annotator.

    Expressions of a video come object by object, four for each: expression ``4 * i + k`` is
    annotator ``k``'s for the ``i``-th object. Where objects overlap, the first one gets the
    pixel, which is what the published conversion does with masks of 0 and 1 (argmax over the
    objects and a constant background).

    The truth is every object of the video's annotation, described or not. Score what is yielded
    with the protocol ``ref-davis17-official``, which counts those of the first frame; its groups
    are the annotators, and as each has the same objects the overall mean is the mean of the four.

    Args:
        split: A split of ``ref-davis17`` that has pictures of object ids.
        predicted: Gives the mask of an expression on each annotated frame, the union of what
            was found; None if it has no prediction.

    Yields:
        A sample (the video, ``annotator-0`` to ``annotator-3``), the merged objects, numbered
        from 1 in the order of the expressions (None if no expression has a prediction), and the
        truth of all objects.

    Raises:
        EvaluationError: If the split is another benchmark's or has no pictures of object ids, or
            a video has not four expressions for each object.
    """
    for video_id, samples in described_videos(split).items():
        truth = split.video_truth(video_id)  # type: ignore[attr-defined]
        for annotator in annotators_of(video_id):
            yield annotator, merge_annotator(annotator, samples, truth, predicted), truth


def described_videos(split: BenchmarkSplit) -> dict[str, list[Sample]]:
    """Return the expressions of each video of ``ref-davis17``, object by object.

    Raises:
        EvaluationError: If the split is another benchmark's, or a video has not four
            expressions for each object.
    """
    if split.protocol != REF_DAVIS17 or not isinstance(split, _KnowsVideos):
        raise EvaluationError(
            f"{split.name} is scored by {split.protocol.name}; the official protocol of four "
            "annotators is for ref-davis17 only"
        )
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


def annotators_of(video_id: str) -> tuple[Sample, ...]:
    """Return what is scored of a video: ``annotator-0`` to ``annotator-3``."""
    names = [f"annotator-{number}" for number in range(NUM_ANNOTATORS)]
    return tuple(Sample(video_id, name, "", group=name) for name in names)


def merge_annotator(
    annotator: Sample,
    samples: Sequence[Sample],
    truth: Truth,
    predicted: Callable[[Sample], Sequence[Rle | None] | None],
) -> dict[int, tuple[Rle | None, ...]] | None:
    """Return what the expressions of one annotator were answered with, merged.

    Args:
        annotator: One of ``annotators_of`` a video.
        samples: The expressions of the video.
        truth: The truth of the video.
        predicted: As in ``merge_annotators``.
    """
    number = int(annotator.expression_id.rpartition("-")[2])
    tracks = [predicted(sample) for sample in samples[number::NUM_ANNOTATORS]]
    if all(track is None for track in tracks):
        return None
    empty = (None,) * len(truth.frames)
    given = {place: track or empty for place, track in enumerate(tracks, start=1)}
    return {key: tuple(track) for key, track in merge_objects(given).items()}
