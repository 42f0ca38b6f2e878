"""The timeline of a report: which frames each turn saw, and each object's mask area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from videoseg.results.overlay import object_name
from videoseg.results.segmentation import Segmentation
from videoseg.results.wording import (
    describe_object,
    find_visible_ranges,
    format_frames,
    has_times,
)
from videoseg.text import shorten_text
from videoseg.types import MaskTrack

__all__ = ["describe_timeline"]

MAX_ROWS = 24
"""Objects with a row of their own; the others are only counted."""

# Sizes in units of the drawing, which is 1000 wide and stretched to the page.
_WIDTH = 1000
_HEIGHT = 44
_MAX_COLUMNS = 320


def describe_timeline(segmentation: Segmentation, *, max_turns: int) -> dict[str, Any] | None:
    """Return a timeline as the ``timeline.html`` template takes it.

    Every row spans the whole video from left to right. Dashed lines mark prompted frames.

    Args:
        segmentation: The result.
        max_turns: How many turns to show.

    Returns:
        The rows and the axis; None for a video of one frame, which has no timeline.
    """
    total = segmentation.video.num_frames
    if total <= 1:
        return None
    frames = sorted({prompt.frame for prompt in segmentation.grounding.prompts})[:8]
    return {
        "turns": [
            _describe_turn(segmentation, number)
            for number in range(1, min(len(segmentation.trace.turns), max_turns) + 1)
        ],
        "objects": [_describe_track(segmentation, t) for t in segmentation.tracks[:MAX_ROWS]],
        "height": _HEIGHT,
        "num_more": max(0, len(segmentation.tracks) - MAX_ROWS),
        "prompted": [f"{_middle(frame, total):.1f}" for frame in frames],
        "marks": _axis_marks(segmentation),
    }


def _describe_turn(segmentation: Segmentation, number: int) -> dict[str, Any]:
    selection = segmentation.trace.turns[number - 1].selection
    window, total = selection.window, segmentation.video.num_frames
    seen = format_frames(segmentation.video, window.start, window.stop)
    return {
        "name": f"Turn {number}",
        "description": f"Turn {number} looked at {seen}",
        "window": _strip(window.start, min(window.stop, total), total),
        "ticks": [f"{_middle(index, total):.1f}" for index in selection.indices[:_MAX_COLUMNS]],
    }


def _describe_track(segmentation: Segmentation, track: MaskTrack) -> dict[str, Any]:
    areas, ranges = track.areas, find_visible_ranges(track)
    total, pixels = len(areas), track.size[0] * track.size[1]
    visible = "; ".join(format_frames(segmentation.video, *one) for one in ranges[:6])
    name = shorten_text(object_name(track.object_id, track.label), 40)
    later = " and later" if len(ranges) > 6 else ""
    return {
        "object": describe_object(track.object_id, track.label),
        "note": f"up to {100 * max(areas, default=0) / pixels:.2g} %",
        "description": f"{name} is visible in {visible or 'no frame'}{later}",
        "path": _area_path(areas),
        "strips": [_strip(*one, total) for one in _merge_ranges(ranges, total)],
    }


def _strip(start: int, stop: int, total: int) -> dict[str, str]:
    return {
        "x": f"{_WIDTH * start / total:.1f}",
        "width": f"{_WIDTH * (stop - start) / total:.1f}",
    }


def _middle(frame: int, total: int) -> float:
    return _WIDTH * (frame + 0.5) / total


def _area_path(areas: Sequence[int]) -> str:
    """Return an SVG path with the largest area within each of at most 320 columns."""
    total, columns = len(areas), min(len(areas), _MAX_COLUMNS)
    largest = max(areas, default=0) or 1
    bottom = _HEIGHT - 7
    steps = []
    for column in range(columns):
        start, stop = column * total // columns, (column + 1) * total // columns
        y = bottom - (bottom - 3) * max(areas[start:stop]) / largest
        steps.append(f"V{y:.1f}H{_WIDTH * (column + 1) / columns:.1f}")
    return f"M0,{bottom}{''.join(steps)}V{bottom}Z"


def _merge_ranges(ranges: Sequence[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Merge ranges whose gap is too narrow to see, which keeps the page small."""
    gap = total / (2 * _MAX_COLUMNS)
    merged: list[tuple[int, int]] = []
    for start, stop in ranges:
        if merged and start - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def _axis_marks(segmentation: Segmentation) -> list[dict[str, Any]]:
    facts = segmentation.video
    last = facts.num_frames - 1
    return [
        {
            "frame": frame,
            "left": f"{100 * frame / last:.2f}",
            "time": f"{facts.time_of(frame):.1f} s" if has_times(facts) else "",
        }
        for frame in sorted({round(last * quarter / 4) for quarter in range(5)})
    ]
