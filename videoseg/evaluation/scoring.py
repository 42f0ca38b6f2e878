"""From an answer and the truth to a score; a failure counts as the wrong answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from videoseg.benchmarks.types import Truth
from videoseg.errors import EvaluationError
from videoseg.evaluation.records import TargetFacts
from videoseg.masks import union_of_rles
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.scoring import PredictedMasks, SampleScore, score_sample
from videoseg.results import Segmentation
from videoseg.types import MaskTrack, Rle, Window

__all__ = [
    "answered_window",
    "failed_score",
    "score_masks",
    "score_tracks",
    "target_facts",
    "unreadable_score",
]


def score_tracks(
    tracks: Sequence[MaskTrack],
    truth: Truth,
    protocol: EvalProtocol,
    *,
    window: Window | None = None,
) -> SampleScore:
    """Score mask tracks over all frames against the truth on the annotated ones.

    Args:
        tracks: The answer; none for "not in this video".
        truth: The right answer.
        protocol: The rules.
        window: The window that was answered with.

    Raises:
        EvaluationError: If the truth has frames that the tracks do not have, or the sizes
            differ and the protocol does not allow it.
    """
    last = max(truth.frames, default=-1)
    for track in tracks:
        if last >= len(track.masks):
            raise EvaluationError(
                f"frame {last} is annotated, but the video that was answered has only "
                f"{len(track.masks)} frames; the videos and the annotations do not belong together"
            )
    predicted: dict[int, list[Rle | None]] = {
        track.object_id: [track.masks[frame] for frame in truth.frames] for track in tracks
    }
    return score_masks(predicted, truth, protocol, window=window)


def score_masks(
    predicted: PredictedMasks | None,
    truth: Truth,
    protocol: EvalProtocol,
    *,
    window: Window | None = None,
    mask_values: Sequence[int] | None = None,
) -> SampleScore:
    """Score masks on the annotated frames against the truth; see ``score_sample``.

    Args:
        predicted: For each object one mask for each annotated frame; None: no prediction.
        truth: The right answer.
        protocol: The rules.
        window: The window that was answered with.
        mask_values: What predicted pixels are in their pictures, on each annotated frame.

    Raises:
        EvaluationError: If prediction and truth do not fit together.
    """
    objects = truth.objects
    if truth.ids_of_pictures and protocol.true_objects == "first-frame":
        absent = (None,) * len(truth.frames)
        ids = range(1, max(objects, default=0) + 1)
        objects = {object_id: objects.get(object_id, absent) for object_id in ids}
    return score_sample(
        predicted,
        objects,
        size=truth.size,
        protocol=protocol,
        foreground=truth.foreground,
        foreground_pixels=truth.foreground_pixels,
        ignored=truth.ignored,
        repeated=truth.repeated,
        mask_values=mask_values,
        predicted_window=window,
        true_window=truth.window,
    )


def failed_score(truth: Truth, protocol: EvalProtocol) -> SampleScore:
    """Return the score of a sample that failed: zero in every measure.

    An empty prediction is right where there is no target, and a failure must not profit from
    that, whatever the protocol makes of a missing prediction.
    """
    return score_masks(None, truth, replace(protocol, missing="zero"))


def unreadable_score(protocol: EvalProtocol) -> SampleScore:
    """Return zero in every measure, for a failure whose truth cannot be read either."""
    return SampleScore(dict.fromkeys(protocol.measures, 0.0), missing=True)


def target_facts(truth: Truth) -> TargetFacts:
    """Return what is asked for, from the truth."""
    pixels = truth.size[0] * truth.size[1]
    areas = [
        area for index in range(len(truth.frames)) if (area := _area(truth.objects, index, truth))
    ]
    return TargetFacts(
        num_objects=len(truth.objects),
        num_frames=len(truth.frames),
        visible_share=len(areas) / len(truth.frames) if truth.frames else 0.0,
        area_share=sum(areas) / len(areas) / pixels if areas and pixels else 0.0,
    )


def answered_window(result: Segmentation) -> Window | None:
    """Return the window that a result answers with; None if nothing was found.

    It is the last window the grounder asked to look at. A grounder that never asked says when
    by its masks: from the first frame that has one to the last.
    """
    if not result.found:
        return None
    for turn in reversed(result.trace.turns):
        if turn.look_window is not None:
            return turn.look_window
    frames = [frame for track in result.tracks for frame in track.visible_frames]
    return Window(min(frames), max(frames) + 1) if frames else None


def _area(objects: Mapping[int, Sequence[Rle | None]], index: int, truth: Truth) -> int:
    return union_of_rles([masks[index] for masks in objects.values()], size=truth.size).area
