"""What the page shows of masks, timeline and reasoning, as JSON can hold it."""

from __future__ import annotations

from typing import Any

import numpy as np

from videoseg.text import printable, shorten_text
from videoseg.types import Rle, Trace, TraceTurn, from_dict
from videoseg_studio.editing import EditSession

__all__ = ["describe_agreement", "describe_answer", "describe_masks", "describe_timeline"]

_LONGEST_TEXT = 20_000
_MOST_TURNS = 50
_MOST_FRAMES = 24
# Frames that are compared for one figure of the agreement.
_COMPARED = 120


def describe_masks(session: EditSession, start: int, count: int) -> dict[str, Any]:
    """Return the masks of the frames [start, start + count).

    Returns:
        ``frames``: for each frame that has masks, by object the compressed runs of COCO.
    """
    stop = min(start + count, len(session.video))
    frames: dict[int, dict[int, str]] = {}
    for object_id in session.state.objects:
        for frame, rle in session.masks(object_id, start, stop):
            if rle.area:
                frames.setdefault(frame, {})[object_id] = rle.counts
    return {"start": start, "stop": stop, "size": list(session.video.size), "frames": frames}


def describe_timeline(session: EditSession, bins: int) -> dict[str, Any]:
    """Return for each object where it is visible, in at most ``bins`` parts of the video.

    Returns:
        ``objects``: by object a text with a digit for each part: 0 if nothing is known there, 1 if
        the object is not visible, 2 if it is.
    """
    total = len(session.video)
    bins = min(bins, total)
    edges = np.arange(bins) * total // bins
    objects = {}
    for object_id in session.state.objects:
        most = np.maximum.reduceat(session.presence(object_id), edges)
        objects[object_id] = "".join(map(str, most.tolist()))
    return {"bins": bins, "objects": objects}


def describe_answer(session: EditSession) -> dict[str, Any]:
    """Return the last answer: what it says, and each turn with the frames it looked at."""
    answer = session.answer
    if not answer:
        return {"turns": []}
    trace = from_dict(Trace, answer["trace"])
    pipeline = answer.get("pipeline", {})
    return {
        "query": answer["query"],
        "pipeline": str(pipeline.get("name", "")),
        "status": answer["status"],
        "keyframe": answer["keyframe"],
        "confidence": answer["confidence"],
        "warnings": [_text(text) for text in answer["warnings"]],
        "turns": [_describe_turn(turn) for turn in trace.turns[:_MOST_TURNS]],
    }


def _describe_turn(turn: TraceTurn) -> dict[str, Any]:
    selection = turn.selection
    roles = {index: group.role for group in selection.groups for index in group.indices}
    window = turn.answer_window if turn.action == "answer" else turn.look_window
    thought = turn.thought
    parts = thought.parts or ({"thought": thought.text} if thought.text else {})
    return {
        "action": turn.action,
        "reason": _text(selection.reason),
        "frames": [
            {"frame": index, "role": roles[index]}
            for index in _spread(list(selection.indices), _MOST_FRAMES)
        ],
        "num_frames": len(selection.indices),
        "parts": {name: _text(text) for name, text in parts.items()},
        "window": None if window is None else [window.start, window.stop - 1],
        "keyframe": turn.answer_keyframe if turn.action == "answer" else turn.look_keyframe,
        "stop_reason": _text(turn.stop_reason),
        "seconds": round(turn.sampler_seconds + turn.grounder_seconds, 2),
    }


def describe_agreement(first: EditSession, second: EditSession, bins: int) -> dict[str, Any]:
    """Return how much two projects of one video agree: the overlap (IoU) of all their masks.

    Returns:
        ``frames`` and ``iou``: the frames that were compared and the overlap on each, from 0 to 1;
        None where neither has a mask. ``mean``: the mean of those.
    """
    total = min(len(first.video), len(second.video))
    count = max(1, min(bins, _COMPARED, total))
    frames = np.unique(np.linspace(0, total - 1, count).astype(int)).tolist()
    overlaps: list[float | None] = []
    for frame in frames:
        here, there = _union(first, frame), _union(second, frame)
        either = int(np.count_nonzero(here | there))
        overlaps.append(int(np.count_nonzero(here & there)) / either if either else None)
    known = [overlap for overlap in overlaps if overlap is not None]
    mean = sum(known) / len(known) if known else None
    return {"frames": frames, "iou": overlaps, "mean": mean}


def _union(session: EditSession, frame: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    union = np.zeros(session.video.size, dtype=bool)
    for object_id in session.state.objects:
        mask: Rle | None = session.mask(object_id, frame)
        if mask is not None:
            union |= mask.decode()
    return union


def _spread(frames: list[int], most: int) -> list[int]:
    if len(frames) <= most:
        return frames
    return [frames[round(k * (len(frames) - 1) / (most - 1))] for k in range(most)]


def _text(text: str) -> str:
    return shorten_text(printable(text, keep="\n"), _LONGEST_TEXT)
