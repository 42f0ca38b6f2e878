"""``report.html``: one self-contained page with the answer, its masks and the reasoning."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg._html import render
from videoseg.results.candidates import (
    candidate_frames,
    describe_comparison,
    describe_search,
)
from videoseg.results.overlay import ON_BLACK, clip_rate, draw_masks, draw_prompts
from videoseg.results.report.timeline import describe_timeline
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import (
    PictureBook,
    embed_jpeg,
    include_frame,
    scale_prompt,
    spread,
)
from videoseg.results.wording import (
    collect_warnings,
    describe_answer,
    describe_judgement,
    describe_move,
    describe_object,
    describe_part,
    describe_selection,
    describe_thought,
    describe_untraced_thought,
    describe_video,
    find_visible_frames,
    find_visible_ranges,
    format_frame,
    format_frames,
    split_paragraphs,
)
from videoseg.text import format_count, format_list, format_seconds, shorten_text
from videoseg.types import MaskTrack, Prompt, TraceTurn

__all__ = ["render_report", "report_pictures"]

# These bounds keep the page under 3 MB, the clip apart: 18 x 55 kB + 3 x 100 kB + 3 x 60 kB +
# 48 x 8 kB of JPEG, a third more as base64, and the text.
_SHEET_FRAMES = 18
_SHEET_SIDE, _SHEET_BYTES = 720, 55_000
_KEYFRAMES = 3
_KEYFRAME_SIDE, _KEYFRAME_BYTES = 960, 100_000
_CANDIDATE_FRAMES = 3
_CANDIDATE_SIDE, _CANDIDATE_BYTES = 720, 60_000
_TURNS = 16
_THUMBNAILS = 48
_THUMBNAIL_SIDE, _THUMBNAIL_BYTES = 240, 8_000
_WARNINGS = 30
_CLIP_BYTES = 2_000_000
_CHIPS = 24
_NO_QUERY = "Objects that were marked by hand"
_TABLE_ROWS = 60
_TIMINGS = 12
_VERSIONS = 80

_MIN_SIDE = 640
"""Least longest side of a large picture in pixels, so that lines drawn on a small video are
sharp."""


def report_pictures(segmentation: Segmentation) -> dict[int, int]:
    """Return the frames that the report shows, with the longest side in pixels of each."""
    sides: dict[int, int] = {}
    for frames, side in (
        (_choose_sheet(segmentation), _SHEET_SIDE),
        (_prompted_frames(segmentation), _KEYFRAME_SIDE),
        (candidate_frames(segmentation, _CANDIDATE_FRAMES), _CANDIDATE_SIDE),
        *((shown, _THUMBNAIL_SIDE) for shown in _choose_thumbnails(segmentation)),
    ):
        for frame in frames:
            sides[frame] = max(side, sides.get(frame, 0))
    return sides


def render_report(
    segmentation: Segmentation,
    book: PictureBook,
    *,
    on_black: bool = False,
    overlay: Path | None = None,
) -> str:
    """Return the page. It loads nothing from the network and stays under about 3 MB.

    Args:
        segmentation: The result.
        book: Pictures of the frames in ``report_pictures``.
        on_black: Whether the video is not available and the pictures are black but for the
            masks.
        overlay: The MP4 with the masks drawn, beside which the page will lie. A small one, up to
            2 MB, becomes a part of the page (a third larger as text); another is linked.
    """
    script = render("report_script.txt")
    query = segmentation.query.strip()
    tracks = segmentation.tracks
    warnings = collect_warnings(segmentation, on_black=on_black)
    keyframes = _describe_keyframes(segmentation, book)
    num_keyframes = len({prompt.frame for prompt in segmentation.grounding.prompts})
    return render(
        "report.html",
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=segmentation.versions.get("videoseg", ""),
        title=shorten_text(query, 80) or _NO_QUERY,
        heading=f"“{shorten_text(query, 400)}”" if query else _NO_QUERY,
        query_class="long" if len(query) > 90 else "short",
        whole_query=split_paragraphs(query, 20_000) if len(query) > 400 else None,
        num_words=format_count(len(query.split()), "word"),
        answer=describe_answer(segmentation),
        found=segmentation.found,
        status=segmentation.status,
        judgement=describe_judgement(segmentation),
        objects=[describe_object(t.object_id, t.label, book.colors) for t in tracks[:_CHIPS]],
        more_objects=max(0, len(tracks) - _CHIPS),
        video=shorten_text(describe_video(segmentation.video), 300),
        part=shorten_text(describe_part(segmentation), 300),
        localization=_describe_localization(segmentation),
        warnings=[shorten_text(text, 600) for text in warnings[:_WARNINGS]],
        more_warnings=max(0, len(warnings) - _WARNINGS),
        clip=None if overlay is None else _describe_clip(segmentation, overlay),
        frames=_sheet(segmentation, book, on_black),
        searched=describe_search(segmentation),
        comparison=describe_comparison(
            segmentation,
            book,
            most_frames=_CANDIDATE_FRAMES,
            side=_CANDIDATE_SIDE,
            max_bytes=_CANDIDATE_BYTES,
        ),
        timeline=describe_timeline(segmentation, max_turns=_TURNS, colors=book.colors),
        columns=_table_columns(segmentation),
        table=[_table_row(segmentation, track, book) for track in tracks[:_TABLE_ROWS]],
        more_rows=max(0, len(tracks) - _TABLE_ROWS),
        turns=_describe_turns(segmentation, book, on_black),
        more_turns=_count_more(len(segmentation.trace.turns) - _TURNS, "turn"),
        thought=describe_untraced_thought(segmentation),
        keyframes=keyframes,
        more_keyframes=_count_more(num_keyframes - len(keyframes), "frame"),
        timings=_describe_timings(segmentation.timings),
        facts=_describe_run(segmentation),
        pipeline=_pipeline_yaml(segmentation.pipeline),
    )


# -- which frames ----------------------------------------------------------------------------


def _choose_sheet(segmentation: Segmentation) -> list[int]:
    """Return evenly spread frames, half of them where objects are visible, and keyframes."""
    total = segmentation.video.num_frames
    visible = find_visible_frames(segmentation)
    if not visible or len(visible) > total // 2:
        chosen = spread(segmentation.frames, _SHEET_FRAMES)
    else:
        half = _SHEET_FRAMES // 2
        chosen = sorted({*spread(segmentation.frames, half), *spread(visible, half)})
    for frame in _prompted_frames(segmentation):
        chosen = include_frame(chosen, frame)
    return chosen


def _prompted_frames(segmentation: Segmentation) -> list[int]:
    total = segmentation.video.num_frames
    frames = {prompt.frame for prompt in segmentation.grounding.prompts if prompt.frame < total}
    keyframe = segmentation.grounding.keyframe
    if len(frames) > _KEYFRAMES and keyframe in frames:
        # A grounding that carries the masks of all frames; the first ones look alike.
        return [keyframe]
    return sorted(frames)[:_KEYFRAMES]


def _choose_thumbnails(segmentation: Segmentation) -> list[list[int]]:
    """Return the frames to show beside each turn."""
    turns = segmentation.trace.turns[:_TURNS]
    each = min(12, max(3, _THUMBNAILS // max(1, len(turns))))
    total = segmentation.video.num_frames
    frames = []
    for turn in turns:
        shown = spread([index for index in turn.selection.indices if index < total], each)
        keyframe = turn.selection.keyframe
        if keyframe is not None and keyframe < total:
            shown = include_frame(shown, keyframe)
        frames.append(shown)
    return frames


# -- sections --------------------------------------------------------------------------------


def _describe_clip(segmentation: Segmentation, overlay: Path) -> dict[str, Any]:
    """Return the overlay as the template takes it: in the page if it is small, else linked."""
    height, width = segmentation.video.size
    found = {"width": width, "height": height, "file": overlay.name}
    if overlay.stat().st_size > _CLIP_BYTES:
        return {**found, "source": overlay.name, "policy": "'self'"}
    data = base64.b64encode(overlay.read_bytes()).decode("ascii")
    return {**found, "source": f"data:video/mp4;base64,{data}", "policy": "data:"}


def _describe_localization(segmentation: Segmentation) -> str:
    grounding = segmentation.grounding
    if not segmentation.found:
        return ""
    facts = []
    if grounding.keyframe is not None and segmentation.video.num_frames > 1:
        facts.append(f"Localized on {format_frame(segmentation.video, grounding.keyframe)}")
    if grounding.confidence is not None:
        facts.append(
            f"Confidence {grounding.confidence:.2f}, from 0 to 1: how sure the grounder itself is "
            "of the whole answer"
        )
    return " · ".join(facts)


def _sheet(segmentation: Segmentation, book: PictureBook, on_black: bool) -> list[dict[str, Any]]:
    """Return the frames with all masks drawn."""
    labels = [track.label or f"object {track.object_id}" for track in segmentation.tracks]
    names = format_list(labels, 4)
    keyframe = segmentation.grounding.keyframe
    frames = []
    for frame in _choose_sheet(segmentation):
        if (picture := book.get(frame)) is None:
            continue
        picture = picture.fitted(_SHEET_SIDE).enlarged(_MIN_SIDE)
        image = picture.draw(segmentation.object_ids, on_black=on_black)
        caption = format_frame(segmentation.video, frame)
        caption += " · keyframe" if frame == keyframe else ""
        alt = f"{caption}, with the masks of {names}" if names else caption
        frames.append(
            {
                "picture": embed_jpeg(image, _SHEET_BYTES, alt),
                "caption": caption,
                "time": _time_in_clip(segmentation, frame, on_black=on_black),
                "is_keyframe": frame == keyframe,
            }
        )
    return frames


def _time_in_clip(segmentation: Segmentation, frame: int, *, on_black: bool) -> str:
    """Return a time in seconds at which the overlay shows a frame; see ``clip_rate``."""
    facts, frames = segmentation.video, segmentation.frames
    fps, _ = clip_rate(facts, None, frames)
    if on_black or fps != facts.fps / frames.step:
        # Spaced evenly; the frames of a video keep their times.
        start = (frame - frames.start) / frames.step / fps
    else:
        start = facts.time_of(frame) - facts.time_of(frames.start)
    # Well inside the frame: browsers round times, and may seek to the frame before.
    return f"{max(0.0, start) + 0.3 / fps:.4f}"


def _table_columns(segmentation: Segmentation) -> list[str]:
    """Return the columns behind the object; scores where objects differ and nothing shows it."""
    scores = {prompt.score for prompt in segmentation.grounding.prompts}
    told = segmentation.grounding.comparison is not None or len(segmentation.tracks) < 2
    return ["Visible", "Largest mask", *(["Score"] if scores - {None} and not told else [])]


def _table_row(segmentation: Segmentation, track: MaskTrack, book: PictureBook) -> dict[str, Any]:
    scores = [
        prompt.score
        for prompt in segmentation.grounding.prompts
        if prompt.object_id == track.object_id and prompt.score is not None
    ]
    areas = track.areas
    largest = max(areas, default=0)
    share = 100 * largest / (track.size[0] * track.size[1])
    ranges = [format_frames(segmentation.video, *one) for one in find_visible_ranges(track)]
    return {
        "object": describe_object(track.object_id, track.label, book.colors),
        "cells": [
            format_list(ranges, 3) or "never",
            f"{share:.2g} % of frame {areas.index(largest)}" if share else "–",  # noqa: RUF001
            f"{scores[-1]:.2f}" if scores else "–",  # noqa: RUF001
        ][: len(_table_columns(segmentation))],
    }


def _describe_turns(
    segmentation: Segmentation, book: PictureBook, on_black: bool
) -> list[dict[str, Any]]:
    chosen = zip(segmentation.trace.turns, _choose_thumbnails(segmentation), strict=False)
    return [
        {
            "number": number,
            "action": describe_move(segmentation, turn),
            "seen": _describe_selection(segmentation, turn),
            "figures": [
                figure
                for frame in frames
                if (figure := _thumbnail(segmentation, turn, number, frame, book, on_black))
            ],
            "more_frames": _count_more(len(turn.selection.indices) - len(frames), "frame"),
            "thought": describe_thought(turn.thought),
            "is_compared": turn.action == "answer" and _is_compared(segmentation),
            "stop_reason": shorten_text(turn.stop_reason, 600),
            "effort": _describe_effort(turn),
        }
        for number, (turn, frames) in enumerate(chosen, start=1)
    ]


def _is_compared(segmentation: Segmentation) -> bool:
    comparison = segmentation.grounding.comparison
    return comparison is not None and comparison.tells_why


def _thumbnail(
    segmentation: Segmentation,
    turn: TraceTurn,
    number: int,
    frame: int,
    book: PictureBook,
    on_black: bool,
) -> dict[str, Any] | None:
    """Return a frame as a turn saw it, without masks unless there is nothing else to see."""
    if (picture := book.get(frame)) is None:
        return None
    small = picture.fitted(_THUMBNAIL_SIDE)
    image = small.image
    if on_black:
        image = draw_masks(image, small.masks, opacity=ON_BLACK, tags=False, colors=book.colors)
    caption = format_frame(segmentation.video, frame)
    return {
        "picture": embed_jpeg(image, _THUMBNAIL_BYTES, f"{caption}, as turn {number} saw it"),
        "caption": caption,
        "mark": _mark(segmentation, turn, frame),
    }


def _mark(segmentation: Segmentation, turn: TraceTurn, frame: int) -> str:
    """Return what a frame was for: the keyframe is the one on which objects were localized."""
    if frame == segmentation.grounding.keyframe and turn.action == "answer":
        return "keyframe"
    return "suggested" if frame == turn.selection.keyframe else ""


def _describe_selection(segmentation: Segmentation, turn: TraceTurn) -> str:
    selection = turn.selection
    seen = describe_selection(segmentation.video, selection)
    return f"Saw {seen}. {shorten_text(selection.reason, 600)}"


def _describe_effort(turn: TraceTurn) -> str:
    stages = ("sampler", turn.sampler_seconds), ("grounder", turn.grounder_seconds)
    parts = [f"{name} {format_seconds(seconds)}" for name, seconds in stages if seconds > 0]
    if turn.thought.num_tokens is not None:
        parts.append(format_count(turn.thought.num_tokens, "token"))
    return " · ".join(parts)


def _describe_keyframes(segmentation: Segmentation, book: PictureBook) -> list[dict[str, Any]]:
    """Return the frames on which objects were localized, with their prompts drawn."""
    prompted = segmentation.grounding.named_prompts
    labels = {prompt.object_id: prompt.label for prompt in reversed(prompted)}
    labels.update((track.object_id, track.label) for track in segmentation.tracks)
    figures = []
    for frame in _prompted_frames(segmentation):
        if (picture := book.get(frame)) is None:
            continue
        picture = picture.enlarged(_MIN_SIDE)
        height, width = picture.image.shape[:2]
        prompts = [prompt for prompt in segmentation.grounding.prompts if prompt.frame == frame]
        scaled = [scale_prompt(p, segmentation.video.size, (height, width)) for p in prompts]
        image = draw_prompts(
            picture.image,
            [replace(prompt, label=str(prompt.object_id)) for prompt in scaled],
            tags=len(segmentation.grounding.object_ids) > 1,
            colors=book.colors,
        )
        caption = f"Prompts of {format_count(len(prompts), 'object')} on "
        caption += format_frame(segmentation.video, frame)
        figures.append(
            {
                "picture": embed_jpeg(image, _KEYFRAME_BYTES, caption),
                "caption": caption,
                "prompts": [
                    {
                        "object": describe_object(
                            prompt.object_id, labels.get(prompt.object_id, ""), book.colors
                        ),
                        "text": _describe_prompt(prompt),
                    }
                    for prompt in prompts[:_TABLE_ROWS]
                ],
            }
        )
    return figures


def _count_more(number: int, noun: str) -> str:
    return format_count(number, f"more {noun}") if number > 0 else ""


def _describe_prompt(prompt: Prompt) -> str:
    parts = []
    if prompt.box is not None:
        x1, y1, x2, y2 = (f"{value:.0f}" for value in prompt.box.as_tuple())
        parts.append(f"box ({x1}, {y1}) to ({x2}, {y2})")
    for name, points in (("on it", prompt.points), ("not on it", prompt.negative_points)):
        if points:
            spots = [f"({point.x:.0f}, {point.y:.0f})" for point in points]
            parts.append(f"{name} {format_list(spots, 4)}")
    if prompt.mask is not None:
        parts.append(f"mask of {format_count(prompt.mask.area, 'pixel')}")
    if prompt.embedding is not None:
        parts.append(f"embedding of {shorten_text(prompt.embedding.model, 60)}")
    return "; ".join(parts)


def _describe_run(segmentation: Segmentation) -> list[tuple[str, str]]:
    facts = [
        ("Seed", str(segmentation.seed)),
        ("Device", segmentation.device),
        ("Video", segmentation.video.path or "given as arrays"),
        ("Reader", segmentation.video.reader),
        *sorted(segmentation.versions.items())[:_VERSIONS],
    ]
    return [(shorten_text(name, 80), shorten_text(value, 400)) for name, value in facts]


def _pipeline_yaml(pipeline: Mapping[str, object]) -> str:
    import yaml

    if not pipeline:
        return ""
    plain = json.loads(json.dumps(pipeline, default=str))
    return shorten_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), 20_000)


def _describe_timings(timings: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the parts of the timing bar, each with its share of the total in percent."""
    parts = {name: value for name, value in timings.items() if 0 < value < float("inf")}
    total = parts.pop("total", 0.0)
    total = max(total, sum(parts.values()))
    if total <= 0:
        return None
    if total > 1.01 * sum(parts.values()):
        parts["everything else"] = total - sum(parts.values())
    return {
        "total": format_seconds(total),
        "parts": [
            {
                "text": f"{shorten_text(name, 40)} {format_seconds(value)}",
                "width": f"{100 * value / total:.2f}",
            }
            for name, value in list(parts.items())[:_TIMINGS]
        ],
    }
