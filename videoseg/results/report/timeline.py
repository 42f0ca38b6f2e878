"""The timeline of a report: which frames each turn saw, and each object's mask area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from videoseg.masks import Color
from videoseg.results.overlay import object_name
from videoseg.results.segmentation import Segmentation
from videoseg.results.wording import (
    describe_move,
    describe_object,
    describe_selection,
    find_visible_ranges,
    format_frames,
    format_roles,
    has_times,
)
from videoseg.text import format_count, shorten_text
from videoseg.types import FrameRole, MaskTrack, Trace, TraceTurn, Window

__all__ = ["describe_timeline"]

MAX_ROWS = 24
"""Objects with a row of their own; the others are only counted."""

_MOST_PROMPTED = 8
"""Frames with a dashed line."""

# Sizes in units of the drawing, which is 1000 wide and stretched to the page.
_WIDTH = 1000
_HEIGHT = 44
_TURN_HEIGHT = 40
_STRIP = 16
_MIN_BAR = 5.0
_MAX_COLUMNS = 320


def describe_timeline(
    segmentation: Segmentation, *, max_turns: int, colors: Mapping[int, Color] | None = None
) -> dict[str, Any] | None:
    """Return a timeline as the ``timeline.html`` template takes it.

    Every row spans the whole video from left to right. The row of a turn has the window and the
    frames it saw, and below them what it asked for or answered, which is where the next row
    begins. Dashed lines mark prompted frames.

    Args:
        segmentation: The result.
        max_turns: How many turns to show.
        colors: Colors of the objects by id; for others the usual one.

    Returns:
        The rows and the axis; None for a video of one frame, which has no timeline.
    """
    total = segmentation.video.num_frames
    if total <= 1:
        return None
    frames = sorted({prompt.frame for prompt in segmentation.grounding.prompts})
    if len(frames) > _MOST_PROMPTED:
        keyframe = segmentation.grounding.keyframe
        frames = [keyframe] if keyframe in frames else frames[:_MOST_PROMPTED]
    return {
        "turns": [
            _describe_turn(segmentation, number)
            for number in range(1, min(len(segmentation.trace.turns), max_turns) + 1)
        ],
        "objects": [
            _describe_track(segmentation, t, colors) for t in segmentation.tracks[:MAX_ROWS]
        ],
        "height": _HEIGHT,
        "turn_height": _TURN_HEIGHT,
        "strip": _STRIP,
        "legend": _describe_legend(segmentation.trace.turns[:max_turns]),
        "stopped": _describe_stop(segmentation.trace),
        "num_more": max(0, len(segmentation.tracks) - MAX_ROWS),
        "prompted": [f"{_middle(frame, total):.1f}" for frame in frames],
        "marks": _axis_marks(segmentation),
    }


def _describe_turn(segmentation: Segmentation, number: int) -> dict[str, Any]:
    turn = segmentation.trace.turns[number - 1]
    selection, total = turn.selection, segmentation.video.num_frames
    answered = turn.action == "answer"
    window = turn.answer_window if answered else turn.look_window
    keyframe = turn.answer_keyframe if answered else turn.look_keyframe
    shown = _bar(selection.window, total)
    asked = None if window is None else _bar(window, total)
    seen = describe_selection(segmentation.video, selection)
    return {
        "name": f"Turn {number}",
        "roles": format_roles(selection),
        "verb": "answered" if answered else "asked for" if window else "looked again",
        "frames": "" if window is None else _format_bounds(window),
        "description": f"Turn {number} saw {seen} and {describe_move(segmentation, turn)}",
        "action": turn.action,
        "window": shown,
        "ticks": [
            {"role": role, "path": _tick_path(selection.of_role(role), role, total)}
            for role in get_args(FrameRole)
            if selection.of_role(role)
        ],
        "asked": asked,
        "funnel": None if asked is None else _funnel(shown, asked),
        "keyframe": None if keyframe is None or keyframe >= total else _marker(keyframe, total),
    }


def _tick_path(frames: Sequence[int], role: str, total: int) -> str:
    """Return an SVG path with an upright line for each frame; those of context are short."""
    margin = 4 if role == "context" else 0
    shown = [frame for frame in frames if frame < total][:_MAX_COLUMNS]
    line = f" {margin}v{_STRIP - 2 * margin}"
    return "".join(f"M{_middle(frame, total):.1f}{line}" for frame in shown)


def _describe_legend(turns: Sequence[TraceTurn]) -> list[dict[str, str]]:
    """Return the signs that occur in the rows of the turns, with their meaning."""
    roles = {group.role for turn in turns for group in turn.selection.groups}
    looks = [turn for turn in turns if turn.action == "look"]
    answers = [turn for turn in turns if turn.action == "answer"]
    signs = (
        ("window", "window shown", bool(turns)),
        ("context", "context frame", "context" in roles),
        ("detail", "detail frame", "detail" in roles),
        ("shown-keyframe", "suggested keyframe", "keyframe" in roles),
        ("asked", "asked for", any(turn.look_window is not None for turn in looks)),
        ("asked-keyframe", "keyframe asked for", any(t.look_keyframe is not None for t in looks)),
        ("answered", "window of the answer", any(t.answer_window is not None for t in answers)),
        (
            "answered-keyframe",
            "keyframe of the answer",
            any(turn.answer_keyframe is not None for turn in answers),
        ),
    )
    return [{"sign": sign, "text": text} for sign, text, occurs in signs if occurs]


def _describe_stop(trace: Trace) -> str:
    # A propagator may have had the query answered again; that was not the end of the looking.
    answers = [n for n, turn in enumerate(trace.turns, start=1) if turn.action == "answer"]
    if not answers or not (reason := trace.turns[answers[0] - 1].stop_reason):
        return ""
    return f"Stopped after {format_count(answers[0], 'turn')}: {shorten_text(reason, 300)}"


def _format_bounds(window: Window) -> str:
    last = window.stop - 1
    return f"{window.start}–{last}" if last > window.start else str(last)  # noqa: RUF001


def _bar(window: Window, total: int) -> dict[str, str]:
    """Return where a window is; one that is too narrow to see is drawn wider, in its place."""
    start, stop = (_WIDTH * min(frame, total) / total for frame in (window.start, window.stop))
    width = max(stop - start, _MIN_BAR)
    start = min(max(0.0, (start + stop - width) / 2), _WIDTH - width)
    return {"x": f"{start:.1f}", "width": f"{width:.1f}", "end": f"{start + width:.1f}"}


def _funnel(shown: Mapping[str, str], asked: Mapping[str, str]) -> str:
    """Return the points of the area between the window seen and the one asked for."""
    top, bottom = _STRIP, _TURN_HEIGHT
    return f"{shown['x']},{top} {shown['end']},{top} {asked['end']},{bottom} {asked['x']},{bottom}"


def _marker(frame: int, total: int) -> dict[str, Any]:
    share = (frame + 0.5) / total
    return {"frame": frame, "left": f"{100 * share:.2f}", "flip": share > 0.7}


def _describe_track(
    segmentation: Segmentation, track: MaskTrack, colors: Mapping[int, Color] | None
) -> dict[str, Any]:
    areas, ranges = track.areas, find_visible_ranges(track)
    total, pixels = len(areas), track.size[0] * track.size[1]
    visible = "; ".join(format_frames(segmentation.video, *one) for one in ranges[:6])
    name = shorten_text(object_name(track.object_id, track.label), 40)
    later = " and later" if len(ranges) > 6 else ""
    return {
        "object": describe_object(track.object_id, track.label, colors),
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
