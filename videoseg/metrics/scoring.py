"""Scores one sample by the rules of a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from videoseg.errors import EvaluationError
from videoseg.masks import union_of_rles
from videoseg.metrics.matching import match_objects
from videoseg.metrics.measures import (
    BOUNDARY_MEASURES,
    GAP_MEASURES,
    WINDOW_MEASURES,
    average_rows,
    mask_measures,
    mean,
    window_measures,
)
from videoseg.metrics.object_boundary import object_boundary_scores
from videoseg.metrics.overlap import FrameTally, tally_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.task import MaskSequence, PredictedMasks, ScoringTask, prepare
from videoseg.types import Rle, Size, Window

__all__ = [
    "ObjectScore",
    "PredictedMasks",
    "SampleScore",
    "added_measures",
    "score_sample",
    "without",
    "without_overlaps",
]


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """Score of one true object.

    Args:
        object_id: The true object; 0 for the union of all.
        values: Measure to value, without measures that do not apply.
        j_per_frame: J of each frame that counts.
        f_per_frame: F of each frame that counts; empty if the protocol has no F.
        predicted_id: The predicted object matched to it; None if there is none, or for the
            union.
    """

    object_id: int
    values: Mapping[str, float]
    j_per_frame: tuple[float, ...] = ()
    f_per_frame: tuple[float, ...] = ()
    predicted_id: int | None = None


@dataclass(frozen=True, slots=True)
class SampleScore:
    """Score of one sample.

    Args:
        values: Measure to value in [0, 1] (a decay in [-1, 1]), the mean over the objects. A
            measure that does not apply to this sample, such as ``target_accuracy`` without a
            target, is left out.
        objects: The score of each object; a single one with id 0 if the protocol scores the
            union.
        intersection: Pixels in both prediction and ground truth, over all frames and objects.
        union: Pixels in either.
        predicted_empty: Whether the prediction is empty on all frames that count.
        target_empty: Whether the ground truth is empty on all frames that count.
        missing: Whether there is no prediction at all.

    A sample without any value is left out of every mean.
    """

    values: Mapping[str, float]
    objects: tuple[ObjectScore, ...] = field(default=())
    intersection: int = 0
    union: int = 0
    predicted_empty: bool = False
    target_empty: bool = False
    missing: bool = False


def score_sample(
    predicted: PredictedMasks | None,
    truth_objects: Mapping[int, Sequence[Rle | None]],
    *,
    size: Size,
    protocol: EvalProtocol,
    foreground: Sequence[Rle | None] | None = None,
    foreground_pixels: Sequence[int] | None = None,
    ignored: Sequence[Rle | None] | None = None,
    repeated: Sequence[Rle | None] | None = None,
    mask_values: Sequence[int] | None = None,
    object_frames: Mapping[int, Sequence[int | None]] | None = None,
    predicted_window: Window | None = None,
    true_window: Window | None = None,
) -> SampleScore:
    """Score one sample. Only a few frames are decoded at a time, never the whole video.

    Args:
        predicted: For each predicted object one mask for each annotated frame, None where it
            is not visible. None if there is no prediction; ``protocol.missing`` says what
            that means.
        truth_objects: The same for each true object; empty if there is no target.
        size: (height, width) of the true masks.
        protocol: The rules.
        foreground: All annotated foreground on each annotated frame, for ``robustness``; the
            true objects if None.
        foreground_pixels: The sum of the areas of all annotations on each annotated frame, for
            ``overlaps='added'``. If None, they do not overlap.
        ignored: Void pixels, which do not count, on each annotated frame.
        repeated: Pixels covered by more than one outline of the target on each annotated frame,
            for ``overlaps='dropped'``. If None, there are none.
        object_frames: For each true object the annotated frames that are its own, as places in
            its sequence of masks; None stands for one that is missing and scores 0. If None,
            all objects have all frames.
        mask_values: The value of predicted pixels in their pictures on each annotated frame, 1
            to 255, for ``overlaps='added'``. If None, it is 1.
        predicted_window: The predicted window, for measures of windows.
        true_window: The true window; None if the sample has none.

    Raises:
        EvaluationError: If prediction and ground truth differ in length, size or objects in a
            way the protocol does not allow; every problem is listed.

    Example:
        >>> from videoseg.metrics import protocol_named
        >>> mask = Rle.encode(np.eye(4, dtype=bool))
        >>> score = score_sample(
        ...     {1: [mask]}, {1: [mask]}, size=(4, 4), protocol=protocol_named("mevis")
        ... )
        >>> score.values
        {'j_and_f': 1.0, 'j': 1.0, 'f': 1.0}
    """
    if predicted is None and protocol.missing == "error":
        raise EvaluationError(
            f"there is no prediction, and {protocol.name} needs one for each sample; predict "
            "it, or use a protocol with missing='zero'"
        )
    scored: list[_Scored] = []
    if not WINDOW_MEASURES.issuperset(protocol.measures):
        given = ScoringTask(
            size,
            protocol,
            predicted or {},
            truth_objects,
            foreground=foreground,
            foreground_pixels=foreground_pixels,
            ignored=ignored,
            repeated=repeated,
            mask_values=mask_values,
            object_frames=object_frames,
        )
        task = prepare(given)
        # The official package averages over objects, so a sample without any adds nothing.
        scored = _score_objects(task) if task.truth or not truth_objects else []
    windows = window_measures(predicted_window, true_window, protocol.measures)
    score = _combine(scored, windows, protocol)
    return score if predicted is not None else _as_missing(score, protocol)


_Scored = tuple[ObjectScore, FrameTally]


def _score_objects(task: ScoringTask) -> list[_Scored]:
    protocol = task.protocol
    by_object = protocol.boundary == "object"
    boundary = not by_object and not BOUNDARY_MEASURES.isdisjoint(protocol.measures)

    def tally(pred: MaskSequence, target: MaskSequence) -> FrameTally:
        found = tally_rles(
            pred,
            target,
            size=task.size,
            tolerance=protocol.tolerance if boundary else None,
            ignored=task.ignored,
        )
        if by_object:
            dotted, plain = object_boundary_scores(pred, target, task.size)
            found = replace(found, boundary=plain, object_boundary=dotted)
        return replace(found, smoothing=protocol.smoothing)

    if task.protocol.objects == "union" or not task.truth:
        return [_score_union(task, tally)]
    if protocol.predicted_overlaps == "lower-id":
        task = replace(task, predicted=without_overlaps(task.predicted, task.size))
    if protocol.start == "first-appearance":
        # An object that is on no counted frame cannot be scored.
        shown = {
            key: masks
            for key, masks in task.truth.items()
            if _any_pixel([masks[place] for place in _own_places(key, task)])
        }
        task = replace(task, truth=shown or task.truth)
    tallies, partners = match_objects(task, tally)
    return [_score_object(key, found, task, partners[key]) for key, found in tallies.items()]


def _score_union(
    task: ScoringTask, tally: Callable[[MaskSequence, MaskSequence], FrameTally]
) -> _Scored:
    predicted, truth = _union(task.predicted, task), _union(task.truth, task)
    if task.protocol.overlaps == "dropped" and task.repeated is not None:
        truth = [without(rle, drop) for rle, drop in zip(truth, task.repeated, strict=True)]
    score, found = _score_object(0, tally(predicted, truth), task, None)
    if task.protocol.overlaps == "added":
        values = {**score.values, **added_measures(predicted, task, found)}
        score = replace(score, values={name: values[name] for name in score.values})
    return score, found


def _score_object(
    object_id: int, tally: FrameTally, task: ScoringTask, predicted_id: int | None
) -> _Scored:
    foreground = None
    if task.foreground is not None and "robustness" in task.protocol.measures:
        foreground = np.array([_area(rle) for rle in task.foreground], dtype=np.int64)
    if task.object_frames is not None and object_id in task.object_frames:
        places = task.object_frames[object_id]
        tally = tally.at(np.array([-1 if place is None else place for place in places]))
    if task.protocol.start == "first-appearance":
        first = tally.first_shown
        tally = tally.since(first)
        foreground = None if foreground is None else foreground[first:]
    score = ObjectScore(
        object_id,
        mask_measures(tally, task.protocol.measures, foreground=foreground),
        tuple(tally.region.tolist()),
        () if tally.boundary is None else tuple(tally.boundary.tolist()),
        predicted_id,
    )
    return score, tally


def _combine(
    scored: Sequence[_Scored], windows: Mapping[str, float], protocol: EvalProtocol
) -> SampleScore:
    values = {
        **windows,
        **average_rows([score.values for score, _ in scored], protocol.measures),
    }
    tallies = [tally for _, tally in scored]
    return SampleScore(
        {name: values[name] for name in protocol.measures if name in values},
        tuple(score for score, _ in scored),
        intersection=sum(int(tally.intersection.sum()) for tally in tallies),
        union=sum(int(tally.union.sum()) for tally in tallies),
        predicted_empty=not any(tally.pred.any() for tally in tallies),
        target_empty=not any(tally.target.any() for tally in tallies),
    )


def _as_missing(score: SampleScore, protocol: EvalProtocol) -> SampleScore:
    if protocol.missing == "empty":
        return replace(score, missing=True)
    if protocol.missing == "left-out":
        return SampleScore({}, target_empty=score.target_empty, missing=True)
    objects = tuple(
        replace(
            each,
            values=_zeros(each.values),
            j_per_frame=(0.0,) * len(each.j_per_frame),
            f_per_frame=(0.0,) * len(each.f_per_frame),
        )
        for each in score.objects
    )
    return replace(score, values=_zeros(score.values), objects=objects, missing=True)


def _zeros(values: Mapping[str, float]) -> dict[str, float]:
    # In the code of MOSEv2 these two are means over the objects that have been predicted.
    return dict.fromkeys((name for name in values if name not in GAP_MEASURES), 0.0)


def _union(objects: PredictedMasks, task: ScoringTask) -> MaskSequence:
    if len(objects) == 1:
        return next(iter(objects.values()))
    sequences = list(objects.values())
    return [
        union_of_rles([masks[index] for masks in sequences], size=task.size)
        for index in range(task.num_frames)
    ]


def without_overlaps(objects: PredictedMasks, size: Size) -> PredictedMasks:
    """Return objects of which no two share a pixel: it belongs to the one with the lowest id."""
    cut: dict[int, list[Rle | None]] = {key: list(objects[key]) for key in sorted(objects)}
    for frame in range(max((len(masks) for masks in cut.values()), default=0)):
        shown = [rle for masks in cut.values() if (rle := masks[frame]) is not None]
        if len(shown) < 2 or union_of_rles(shown, size=size).area == sum(r.area for r in shown):
            continue
        covered: Rle | None = None
        for masks in cut.values():
            rle = masks[frame]
            if rle is not None:
                masks[frame] = without(rle, covered)
                covered = union_of_rles([covered, rle], size=size)
    return cut


def _own_places(object_id: int, task: ScoringTask) -> list[int]:
    if task.object_frames is None:
        return list(range(task.num_frames))
    return [place for place in task.object_frames.get(object_id, ()) if place is not None]


def _any_pixel(masks: MaskSequence) -> bool:
    return any(_area(rle) for rle in masks)


def _area(rle: Rle | None) -> int:
    return 0 if rle is None else rle.area


def added_measures(
    predicted: MaskSequence, task: ScoringTask, tally: FrameTally
) -> dict[str, float]:
    """Return A and R as the script of ReVOS computes them, with masks summed in 8 bits.

    In the ground truth a pixel has the number of annotations that cover it; in a prediction it
    is 0 or the value in its picture, 1 or 255. A is the share of pixels where the two are equal.
    R counts the sum of ``(1 - truth) * prediction`` as false positives, where 2 annotations give
    255, since 8 bits wrap around. Only frames with such overlaps are decoded.

    Args:
        predicted: The union of the predicted objects on each frame.
        task: The sample.
        tally: The counts for the union of the true objects.
    """
    values = np.ones(task.num_frames, np.int64)
    if task.mask_values is not None:
        values[:] = task.mask_values
    wrong = (tally.pred - tally.intersection) * values
    # Pixels of 255 never equal the ground truth; only those of 0 can.
    equal = tally.num_pixels - tally.union + np.where(values == 1, tally.intersection, 0)
    for frame in range(task.num_frames):
        truth = [rle for masks in task.truth.values() if (rle := masks[frame]) is not None]
        if len(truth) > 1 and sum(rle.area for rle in truth) > tally.target[frame]:
            total = np.zeros(task.size, np.uint8)
            for rle in truth:
                total += rle.decode()
            mask = _pixel_values(predicted[frame], task, values[frame])
            wrong[frame] = ((1 - total) * mask).sum(dtype=np.int64)
            equal[frame] = np.count_nonzero(total == mask)
    robustness = np.maximum(0.0, 1.0 - wrong / (_foreground(task, tally) + 1e-6))
    return {
        "accuracy": mean(equal / max(tally.num_pixels, 1)),
        "robustness": mean(robustness),
    }


def without(rle: Rle | None, dropped: Rle | None) -> Rle | None:
    """Return a mask without the pixels of another one; None for an empty one."""
    if rle is None or dropped is None:
        return rle
    left = rle.decode() & ~dropped.decode()
    return Rle.encode(left) if left.any() else None


def _pixel_values(rle: Rle | None, task: ScoringTask, value: int) -> npt.NDArray[np.uint8]:
    if rle is None:
        return np.zeros(task.size, np.uint8)
    return np.asarray(rle.decode() * np.uint8(value))


def _foreground(task: ScoringTask, tally: FrameTally) -> npt.NDArray[np.int64]:
    if task.foreground_pixels is not None:
        return np.asarray(task.foreground_pixels, np.int64)
    if task.foreground is None:
        return tally.target
    return np.array([_area(rle) for rle in task.foreground], np.int64)
