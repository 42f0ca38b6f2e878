"""The official protocol of Ref-DAVIS17: four annotators, the objects of each merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from videoseg.benchmarks.types import BenchmarkSplit, Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.metrics.annotators import merge_objects
from videoseg.metrics.protocols import REF_DAVIS17
from videoseg.types import Rle

__all__ = ["NUM_ANNOTATORS", "merge_annotators"]

NUM_ANNOTATORS = 4
"""Two people described every object twice: from the first frame and from the whole video."""


def merge_annotators(
    split: BenchmarkSplit, predicted: Callable[[Sample], Sequence[Rle | None] | None]
) -> Iterator[tuple[Sample, dict[int, tuple[Rle | None, ...]] | None, Truth]]:
    """Turn predictions of expressions into one of all objects per video and annotator.

    Expressions of a video come object by object, four for each: expression ``4 * i + k`` is
    annotator ``k``'s for object ``i``. Where objects overlap, the first one gets the pixel,
    which is what the published conversion does with masks of 0 and 1 (argmax over the objects
    and a constant background).

    Score what is yielded with the protocol ``ref-davis17-official``; its groups are the
    annotators, and as each has the same objects the overall mean is the mean of the four.

    Args:
        split: A split of ``ref-davis17``.
        predicted: Gives the mask of an expression on each annotated frame, the union of what
            was found; None if it has no prediction.

    Yields:
        A sample (the video, ``annotator-0`` to ``annotator-3``), the merged objects (None if
        no expression has a prediction) and the truth of all objects.

    Raises:
        EvaluationError: If the split is another benchmark's, or a video has not four expressions
            for each object.
    """
    if split.protocol != REF_DAVIS17:
        raise EvaluationError(
            f"{split.name} is scored by {split.protocol.name}; the official protocol of four "
            "annotators is for ref-davis17 only"
        )
    by_video: dict[str, list[Sample]] = {}
    for sample in split.samples:
        by_video.setdefault(sample.video_id, []).append(sample)
    for video_id, samples in by_video.items():
        truths = [_truth(split, sample) for sample in samples[::NUM_ANNOTATORS]]
        truth = _joined(video_id, len(samples), truths)
        ids = [next(iter(one.objects)) for one in truths]
        for annotator in range(NUM_ANNOTATORS):
            tracks = [predicted(sample) for sample in samples[annotator::NUM_ANNOTATORS]]
            name = f"annotator-{annotator}"
            masks = None
            if any(track is not None for track in tracks):
                empty = (None,) * len(truth.frames)
                given = dict(zip(ids, [track or empty for track in tracks], strict=True))
                masks = {key: tuple(track) for key, track in merge_objects(given).items()}
            yield Sample(video_id, name, "", group=name), masks, truth


def _truth(split: BenchmarkSplit, sample: Sample) -> Truth:
    truth = split.truth(sample)
    if truth is None or len(truth.objects) != 1:
        raise EvaluationError(
            f"{sample.id!r} of {split.name} does not stand for one object, as the official "
            "protocol needs it; check 'obj_id' in meta_expressions.json"
        )
    return truth


def _joined(video_id: str, num_samples: int, truths: list[Truth]) -> Truth:
    objects = {object_id: track for truth in truths for object_id, track in truth.objects.items()}
    if num_samples % NUM_ANNOTATORS or len(objects) != len(truths):
        raise EvaluationError(
            f"video {video_id!r} has {num_samples} expressions of {len(objects)} objects; the "
            f"official protocol needs {NUM_ANNOTATORS} for each object, object by object"
        )
    return Truth(
        size=truths[0].size, frames=truths[0].frames, objects=objects, ignored=truths[0].ignored
    )
