"""A timeline of mask area, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from videoseg.masks.colors import object_color
from videoseg.results.overlay import object_name
from videoseg.results.report.wording import (
    frame_range,
    has_times,
    name_chip,
    shortened,
    visible_runs,
)
from videoseg.results.segmentation import Segmentation
from videoseg.types.masks import MaskTrack

__all__ = ["MAX_ROWS", "timeline_html"]

MAX_ROWS = 24
"""Objects that get a row of their own; the others are only counted."""

_MAX_COLUMNS = 320
_HEIGHT = 44


def timeline_html(segmentation: Segmentation, *, max_turns: int) -> str:
    """Return the timeline: what was looked at in each turn, and each object's mask area.

    Every row spans the whole video from left to right. The dashed line is the keyframe.

    Args:
        segmentation: The result; a video of one frame has no timeline and gives no text.
        max_turns: How many turns to show.
    """
    total = segmentation.video.num_frames
    if total <= 1:
        return ""
    rows = [
        _row(f"Turn {number}", _look_svg(segmentation, number - 1, total), "", thin=True)
        for number in range(1, min(len(segmentation.trace.turns), max_turns) + 1)
    ]
    for track in segmentation.tracks[:MAX_ROWS]:
        areas = track.areas
        pixels = track.size[0] * track.size[1]
        largest = f"up to {100 * max(areas, default=0) / pixels:.2g} %"
        svg = _area_svg(segmentation, track, areas)
        rows.append(_row(name_chip(track.object_id, track.label), svg, largest))
    left_out = len(segmentation.tracks) - MAX_ROWS
    more = (
        f"<p class='note'>{left_out} more objects are in result.json.</p>" if left_out > 0 else ""
    )
    return f"<div class='timeline'>{''.join(rows)}{_axis(segmentation)}</div>{more}"


def _row(label: str, svg: str, note: str, *, thin: bool = False) -> str:
    kind = "row thin" if thin else "row"
    return (
        f"<div class='{kind}'><div class='row-label'>{label}</div>{svg}"
        f"<div class='row-note'>{note}</div></div>"
    )


def _svg(content: str, description: str, height: int) -> str:
    return (
        f"<svg viewBox='0 0 1000 {height}' preserveAspectRatio='none' role='img' "
        f"aria-label='{escape(description)}'>{content}</svg>"
    )


def _keyframe_line(segmentation: Segmentation, height: int) -> str:
    frames = sorted({prompt.frame for prompt in segmentation.grounding.prompts})[:8]
    return "".join(
        f"<line class='key' x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{height}'/>"
        for x in (_middle(frame, segmentation.video.num_frames) for frame in frames)
    )


def _middle(frame: int, total: int) -> float:
    return 1000 * (frame + 0.5) / total


def _look_svg(segmentation: Segmentation, turn_index: int, total: int) -> str:
    turn = segmentation.trace.turns[turn_index]
    window = turn.selection.window
    start, stop = 1000 * window.start / total, 1000 * min(window.stop, total) / total
    ticks = "".join(
        f"<line class='tick' x1='{x:.1f}' x2='{x:.1f}' y1='5' y2='17'/>"
        for x in (_middle(index, total) for index in turn.selection.indices[:_MAX_COLUMNS])
    )
    description = (
        f"Turn {turn_index + 1} looked at "
        f"{frame_range(segmentation.video, window.start, window.stop)}"
    )
    bar = f"<rect class='window' x='{start:.1f}' y='3' width='{stop - start:.1f}' height='16'/>"
    return _svg(bar + ticks + _keyframe_line(segmentation, 22), description, 22)


def _area_svg(segmentation: Segmentation, track: MaskTrack, areas: Sequence[int]) -> str:
    color = f"rgb{object_color(track.object_id)}"
    total = len(areas)
    runs = visible_runs(track)
    strips = "".join(
        f"<rect x='{1000 * start / total:.1f}' y='{_HEIGHT - 5}' "
        f"width='{1000 * (stop - start) / total:.1f}' height='5' class='strip'/>"
        for start, stop in _merged(runs, total)
    )
    name = shortened(object_name(track.object_id, track.label), 40)
    visible = "; ".join(frame_range(segmentation.video, *run) for run in runs[:6]) or "nowhere"
    return _svg(
        f"<rect class='ground' x='0' y='{_HEIGHT - 5}' width='1000' height='5'/>"
        f"<g style='--color:{color}'><path d='{_area_path(areas)}'/>{strips}</g>"
        f"{_keyframe_line(segmentation, _HEIGHT)}",
        f"{name} is visible in {visible}" + (" and later" if len(runs) > 6 else ""),
        _HEIGHT,
    )


def _area_path(areas: Sequence[int]) -> str:
    """Return steps of the largest area within each of at most 320 columns."""
    total, columns = len(areas), min(len(areas), _MAX_COLUMNS)
    largest = max(areas, default=0) or 1
    bottom = _HEIGHT - 7
    steps = []
    for column in range(columns):
        start, stop = column * total // columns, (column + 1) * total // columns
        y = bottom - (bottom - 3) * max(areas[start:stop]) / largest
        steps.append(f"V{y:.1f}H{1000 * (column + 1) / columns:.1f}")
    return f"M0,{bottom}{''.join(steps)}V{bottom}Z"


def _merged(runs: Sequence[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Join ranges whose gap is narrower than the eye sees, so that a page stays small."""
    gap = total / (2 * _MAX_COLUMNS)
    merged: list[tuple[int, int]] = []
    for start, stop in runs:
        if merged and start - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def _axis(segmentation: Segmentation) -> str:
    facts = segmentation.video
    last = facts.num_frames - 1
    marks = sorted({round(last * quarter / 4) for quarter in range(5)})
    labels = []
    for mark in marks:
        time = f"<br>{facts.time_of(mark):.1f} s" if has_times(facts) else ""
        place = 100 * mark / last
        labels.append(f"<span style='left:{place:.2f}%'>{mark}{time}</span>")
    return (
        "<div class='row axis' aria-hidden='true'><div class='row-label'>frame</div>"
        f"<div class='marks'>{''.join(labels)}</div><div class='row-note'></div></div>"
    )
