"""``report.html``: one self-contained page that says where, when and why."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template

from videoseg.results.report.sections import (
    PICTURE_SIDE,
    image_tag,
    keyframe_section,
    objects_table,
    overlay_uri,
    run_section,
    thought_html,
    turn_html,
)
from videoseg.results.report.templating import template_text
from videoseg.results.report.timeline import timeline_html
from videoseg.results.report.wording import (
    all_warnings,
    answer_sentence,
    counted,
    frame_time,
    joined,
    name_chip,
    shortened,
    text_block,
    video_line,
)
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import PictureBook, spread
from videoseg.types.episode import TraceTurn

__all__ = ["render_report", "report_pictures"]

# The bounds below keep the page under 3 MB: 18 x 55 kB + 3 x 100 kB + 48 x 8 kB of JPEG,
# a third more as text, and the words.
_SHEET_FRAMES = 18
_SHEET_SIDE, _SHEET_BYTES = 720, 55_000
_KEYFRAMES = 3
_KEYFRAME_SIDE, _KEYFRAME_BYTES = 960, 100_000
_TURNS = 16
_THUMBNAILS = 48
_THUMBNAIL_SIDE, _THUMBNAIL_BYTES = 240, 8_000
_WARNINGS = 30

_TIMELINE_NOTE = (
    "Mask area over time, each object against its own largest. Dashed: the frames on which "
    "objects were localised. Turns: the frames that were looked at."
)
_LOOKS_NOTE = "The frames that were looked at in each turn."


def report_pictures(segmentation: Segmentation) -> dict[int, int]:
    """Return which frames the report shows, and the longest side in pixels it needs of each."""
    sides: dict[int, int] = {}
    for frames, side in (
        (_sheet(segmentation), _SHEET_SIDE),
        (_prompted(segmentation), _KEYFRAME_SIDE),
        ([index for shown in _seen(segmentation) for index in shown], _THUMBNAIL_SIDE),
    ):
        for frame in frames:
            sides[frame] = max(side, sides.get(frame, 0))
    return sides


def render_report(segmentation: Segmentation, book: PictureBook, *, on_black: bool = False) -> str:
    """Return the page. It loads nothing from anywhere and stays under about 3 MB.

    Args:
        segmentation: The result.
        book: Pictures of the frames that ``report_pictures`` names.
        on_black: The video was not at hand and the pictures are black but for the masks.
    """
    script = template_text("report_script.txt")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    query = segmentation.query.strip()
    return Template(template_text("report.html")).substitute(
        script=script,
        script_hash=digest,
        style=template_text("report.css"),
        title=escape(shortened(query, 80)),
        query=escape(shortened(query, 400)),
        query_class="long" if len(query) > 90 else "short",
        whole_query=_whole_query(query),
        answer=escape(answer_sentence(segmentation)),
        answer_class="found" if segmentation.found else "absent",
        chips=_chips(segmentation),
        video=escape(shortened(video_line(segmentation.video), 300)),
        localised=_localised(segmentation),
        warnings=_warnings(segmentation, on_black),
        frames=_frames(segmentation, book, on_black),
        objects=_section("Objects", objects_table(segmentation)),
        timeline=_section(
            "When",
            timeline_html(segmentation, max_turns=_TURNS),
            _TIMELINE_NOTE if segmentation.found else _LOOKS_NOTE,
        ),
        reasoning=_section("Why", _reasoning(segmentation, book, on_black)),
        keyframe=_section(
            "Where it was localised",
            keyframe_section(segmentation, _prompted(segmentation), book, _KEYFRAME_BYTES),
        ),
        run=_section("The run", run_section(segmentation)),
        version=escape(segmentation.versions.get("videoseg", "")),
    )


def _sheet(segmentation: Segmentation) -> list[int]:
    """Frames for the contact sheet: evenly spread, half of them where objects are visible."""
    total = segmentation.video.num_frames
    visible = sorted({f for track in segmentation.tracks for f in track.visible_frames})
    if not visible or len(visible) > total // 2:
        chosen = spread(range(total), _SHEET_FRAMES)
    else:
        half = _SHEET_FRAMES // 2
        chosen = sorted({*spread(range(total), half), *spread(visible, half)})
    for frame in _prompted(segmentation):
        if frame not in chosen:
            nearest = min(chosen, key=lambda index: abs(index - frame))
            chosen[chosen.index(nearest)] = frame
    return sorted(set(chosen))


def _prompted(segmentation: Segmentation) -> list[int]:
    total = segmentation.video.num_frames
    frames = {prompt.frame for prompt in segmentation.grounding.prompts if prompt.frame < total}
    return sorted(frames)[:_KEYFRAMES]


def _seen(segmentation: Segmentation) -> list[list[int]]:
    """For each turn shown, the frames whose thumbnails stand beside it."""
    turns = segmentation.trace.turns[:_TURNS]
    each = min(12, max(3, _THUMBNAILS // max(1, len(turns))))
    return [_seen_in(turn, each, segmentation.video.num_frames) for turn in turns]


def _seen_in(turn: TraceTurn, count: int, total: int) -> list[int]:
    indices = [index for index in turn.selection.indices if index < total]
    shown = spread(indices, count)
    keyframe = turn.selection.keyframe
    if keyframe is not None and keyframe < total and keyframe not in shown:
        nearest = min(shown, key=lambda index: abs(index - keyframe))
        shown[shown.index(nearest)] = keyframe
    return sorted(shown)


def _section(title: str, content: str, note: str = "") -> str:
    if not content:
        return ""
    said = f"<p class='note'>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>"


def _whole_query(query: str) -> str:
    if len(query) <= 400:
        return ""
    block = text_block(query, 20_000)
    words = counted(len(query.split()), "word")
    return f"<details class='query'><summary>The whole query, {words}</summary>{block}</details>"


def _chips(segmentation: Segmentation) -> str:
    shown = [name_chip(track.object_id, track.label) for track in segmentation.tracks[:24]]
    left = len(segmentation.tracks) - len(shown)
    return " ".join(shown) + (f" and {left} more" if left > 0 else "")


def _localised(segmentation: Segmentation) -> str:
    grounding = segmentation.grounding
    said = []
    if grounding.keyframe is not None and segmentation.video.num_frames > 1:
        said.append(f"localised on {frame_time(segmentation.video, grounding.keyframe)}")
    if grounding.confidence is not None:
        said.append(f"confidence {grounding.confidence:.2f}")
    return escape(" · ".join(said))


def _warnings(segmentation: Segmentation, on_black: bool) -> str:
    found = all_warnings(segmentation)
    if on_black:
        found.append("The video was not at hand, so the masks are drawn on black.")
    if not found:
        return ""
    items = "".join(f"<li>{escape(shortened(text, 600))}</li>" for text in found[:_WARNINGS])
    if len(found) > _WARNINGS:
        items += f"<li>{len(found) - _WARNINGS} more warnings are in result.json.</li>"
    return f"<aside class='warnings' aria-label='Warnings'><ul>{items}</ul></aside>"


def _frames(segmentation: Segmentation, book: PictureBook, on_black: bool) -> str:
    """The large picture with its slider, and the contact sheet it takes its pictures from."""
    facts = segmentation.video
    items = []
    names = joined(
        [track.label or f"object {track.object_id}" for track in segmentation.tracks], 4
    )
    keyframe = segmentation.grounding.keyframe
    for frame in _sheet(segmentation):
        if (picture := book.get(frame)) is None:
            continue
        picture = picture.fitted(_SHEET_SIDE).enlarged(PICTURE_SIDE)
        caption = frame_time(facts, frame) + (" · keyframe" if frame == keyframe else "")
        size = (int(picture.image.shape[0]), int(picture.image.shape[1]))
        tag = image_tag(
            overlay_uri(picture, segmentation, _SHEET_BYTES, on_black=on_black),
            size,
            f"{caption}, with the masks of {names}" if names else caption,
        )
        mark = " data-first" if frame == keyframe else ""
        items.append(
            f"<li{mark}><button type='button' aria-label='Enlarge {escape(caption)}'>{tag}"
            f"<span>{escape(caption)}</span></button></li>"
        )
    if not items:
        return ""
    if len(items) == 1:
        return f"<section class='single'><ul class='sheet'>{items[0]}</ul></section>"
    return Template(template_text("report_frames.html")).substitute(
        items="".join(items), last=len(items) - 1
    )


def _reasoning(segmentation: Segmentation, book: PictureBook, on_black: bool) -> str:
    turns = segmentation.trace.turns
    if not turns:
        thought = segmentation.grounding.thought
        return thought_html(thought) if thought.text or thought.temporal else ""
    shown = [
        turn_html(
            segmentation,
            turn,
            number,
            frames,
            book,
            on_black=on_black,
            max_bytes=_THUMBNAIL_BYTES,
        )
        for number, (turn, frames) in enumerate(
            zip(turns, _seen(segmentation), strict=False), start=1
        )
    ]
    if len(turns) > _TURNS:
        left = counted(len(turns) - _TURNS, "more turn")
        shown.append(f"<p class='note'>{left} in result.json.</p>")
    return "".join(shown)
