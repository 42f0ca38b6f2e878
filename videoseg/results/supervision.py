"""Results as detections of the library ``supervision``, and prompts from its detections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from videoseg.errors import ConfigError, FrameNotFoundError, MissingDependencyError
from videoseg.results.overlay import object_name
from videoseg.results.segmentation import Segmentation
from videoseg.types import Box, Prompt, Rle
from videoseg.types.scalars import whole_number

if TYPE_CHECKING:
    from supervision import Detections

__all__ = ["prompts_from_supervision", "to_supervision"]


def to_supervision(segmentation: Segmentation, frame: int) -> Detections:
    """Return the objects of one frame as ``supervision.Detections``.

    ``xyxy`` are the tight boxes, half-open, ``mask`` has shape (N, H, W), ``tracker_id`` are the
    object ids, ``class_id`` counts the different names, which stand in ``data["class_name"]``,
    and ``confidence`` are the scores of the prompts, 1 for an object without. Objects that the
    frame does not show are left out.

    Args:
        segmentation: The result.
        frame: Frame index; negative indices count from the end.

    Raises:
        FrameNotFoundError: If there is no such frame.
        MissingDependencyError: If supervision is not installed.
    """
    detections: type[Detections] = _require_supervision().Detections
    count = segmentation.video.num_frames
    frame = whole_number(frame, "the index of a frame")
    if not -count <= frame < count:
        raise FrameNotFoundError(frame, count)
    frame %= count
    scores = {prompt.object_id: prompt.score for prompt in segmentation.grounding.prompts}
    names = {
        each.object_id: object_name(each.object_id, each.label) for each in segmentation.tracks
    }
    classes = sorted(set(names.values()))
    shown = [
        (track, rle, box)
        for track in segmentation.tracks
        if (rle := track.masks[frame]) is not None and (box := rle.box) is not None
    ]
    if not shown:
        return detections.empty()
    ids = [track.object_id for track, _, _ in shown]
    given = [scores.get(each) for each in ids]
    return detections(
        xyxy=np.array([[box.x1, box.y1, box.x2, box.y2] for _, _, box in shown], np.float32),
        mask=np.stack([rle.decode() for _, rle, _ in shown]),
        confidence=np.array([1.0 if score is None else score for score in given], np.float32),
        class_id=np.array([classes.index(names[each]) for each in ids], int),
        tracker_id=np.array(ids, int),
        data={"class_name": np.array([names[each] for each in ids])},
    )


def prompts_from_supervision(detections: Detections, frame: int) -> list[Prompt]:
    """Return a prompt for each of supervision's detections, to propagate from.

    Object ids are those of ``tracker_id``, else 1, 2 and so on. A detection's mask becomes the
    prompt if it has one, else its box. Names come from ``data["class_name"]``, scores from
    ``confidence``.

    Args:
        detections: Of one frame.
        frame: Its index in the video.

    Raises:
        ConfigError: If ids are below 1 or occur twice, or a box or score is not valid.
    """
    count = len(detections)
    tracked = detections.tracker_id
    ids = list(range(1, count + 1)) if tracked is None else [int(each) for each in tracked]
    if len(set(ids)) < len(ids) or any(each < 1 for each in ids):
        raise ConfigError(
            f"tracker ids of detections must differ and be at least 1, got {ids}; leave out "
            "detections without a track, which trackers number -1, or set tracker_id to None"
        )
    names = detections.data.get("class_name", [""] * count)
    scores = [None] * count if detections.confidence is None else detections.confidence
    masks = [None] * count if detections.mask is None else detections.mask
    return [
        Prompt(
            object_id,
            frame,
            box=Box(*(float(value) for value in box)) if mask is None else None,
            mask=None if mask is None else Rle.encode(np.asarray(mask)),
            label="" if name is None else str(name),
            score=None if score is None else float(score),
        )
        for object_id, box, mask, name, score in zip(
            ids, detections.xyxy, masks, names, scores, strict=True
        )
    ]


def _require_supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise MissingDependencyError(
            "detections of supervision need that package, which is not installed: "
            "pip install supervision"
        ) from error
    return supervision
