"""The candidates of an answer: drawn with their numbers, and compared in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from videoseg.masks import Color, object_color
from videoseg.results.overlay import draw_tag
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import Picture, PictureBook, embed_jpeg
from videoseg.results.wording import describe_object, format_frame, format_frames
from videoseg.text import format_count, format_list, shorten_text
from videoseg.types import Candidate, Comparison, Frame, Judgement

__all__ = [
    "candidate_frames",
    "describe_comparison",
    "describe_search",
    "list_candidates",
]

_MOST = 24
"""Candidates that are drawn and listed; the others are only counted."""

_MOST_WORDS = 6
"""Parts of the query with a column of their own."""

_NOT_TAKEN: Color = (250, 250, 250)
_TAG, _DARK = (60, 64, 70), (0, 0, 0)
_TAG_SHARE = 15
"""A tag's letters are this part of the picture's shorter side: readable on a phone."""


def candidate_frames(segmentation: Segmentation, most: int) -> list[int]:
    """Return the frames on which candidates are drawn, the one with the most of them first.

    Args:
        segmentation: The result.
        most: How many frames at most.
    """
    shown = _shown(segmentation)
    counts = Counter(candidate.frame for candidate in shown)
    return [frame for frame, _ in counts.most_common(most)]


def describe_search(segmentation: Segmentation) -> str:
    """Return which frames were searched and how much was seen; empty if that is not known."""
    comparison = segmentation.grounding.comparison
    if comparison is None or not comparison.frames:
        return ""
    frames, facts = comparison.frames, segmentation.video
    if facts.num_frames == 1:
        where = "The picture was searched"
    else:
        span = format_frames(facts, min(frames), max(frames) + 1)
        span = f"the {span}" if len(frames) > 1 else span
        where = f"{len(frames)} of {span} {'was' if len(frames) == 1 else 'were'} searched"
    seen = (
        format_count(len(comparison.candidates), "thing") if comparison.candidates else "nothing"
    )
    verb = "was" if len(comparison.candidates) < 2 else "were"
    fits = "" if segmentation.grounding.found or not comparison.candidates else "; none fits"
    return f"{where}; {seen} {verb} seen that may be an object{fits}."


def describe_comparison(
    segmentation: Segmentation, book: PictureBook, *, most_frames: int, side: int, max_bytes: int
) -> dict[str, Any] | None:
    """Return the candidates as the ``comparison`` macro takes them; None if there are none.

    Args:
        segmentation: The result.
        book: Pictures of the frames in ``candidate_frames``.
        most_frames: How many pictures at most.
        side: Longest side of a picture in pixels.
        max_bytes: Upper bound on each JPEG file.
    """
    comparison = segmentation.grounding.comparison
    shown = _shown(segmentation)
    if comparison is None or not shown:
        return None
    figures = []
    for frame in candidate_frames(segmentation, most_frames):
        if (picture := book.get(frame)) is None:
            continue
        here = [candidate for candidate in shown if candidate.frame == frame]
        image = _draw(picture.fitted(side), here, segmentation.video.size)
        where = format_frame(segmentation.video, frame)
        names = format_list([str(candidate.number) for candidate in here], 12)
        caption = f"{where}: {'candidate' if len(here) == 1 else 'candidates'} {names}"
        figures.append({"picture": embed_jpeg(image, max_bytes, caption), "caption": caption})
    words = comparison.words[:_MOST_WORDS]
    order = sorted(shown, key=lambda one: (one.object_id is None, one.object_id or 0, one.number))
    return {
        "figures": figures,
        "words": [shorten_text(text, 40) for text in words],
        "rows": [_describe_row(one, words, book.colors) for one in order],
        "decision": shorten_text(comparison.decision, 600),
        "more": max(0, len(comparison.candidates) - len(shown)),
    }


def list_candidates(comparison: Comparison) -> list[str]:
    """Return the candidates for a terminal: those taken, then the others by outcome.

    Example:
        >>> from videoseg.types import Box
        >>> runs = Judgement("runs", 0.97, "moves 0.3 diagonals")
        >>> seen = Candidate(2, 8, Box(1, 2, 3, 4), (runs,), object_id=1, verdict="taken")
        >>> list_candidates(Comparison((seen,)))
        ['candidate 2: object 1; runs 0.97']
    """
    order = sorted(comparison.candidates, key=lambda one: (one.object_id is None, one.number))
    groups: dict[str, list[Candidate]] = {}
    for one in order:
        outcome = f"object {one.object_id}" if one.object_id is not None else one.verdict
        groups.setdefault(outcome or "not taken", []).append(one)
    lines = []
    for outcome, members in list(groups.items())[:_MOST]:
        names = [
            f"{one.number} ({one.label})" if one.label else str(one.number) for one in members
        ]
        judged = [f"{item.words} {_value(item)}" for item in members[0].judgements[:_MOST_WORDS]]
        # Of several there is not one score.
        told = [outcome, *([", ".join(judged)] if judged and len(members) == 1 else [])]
        noun = "candidate" if len(members) == 1 else "candidates"
        lines.append(f"{noun} {format_list(names, 8)}: {'; '.join(told)}")
    return [*lines, *([comparison.decision] if comparison.decision else [])]


def _shown(segmentation: Segmentation) -> list[Candidate]:
    comparison = segmentation.grounding.comparison
    if comparison is None:
        return []
    # Those of the answer are always among them.
    candidates = sorted(comparison.candidates, key=lambda one: one.object_id is None)
    return [one for one in candidates[:_MOST] if one.frame < segmentation.video.num_frames]


def _describe_row(
    candidate: Candidate, words: Sequence[str], colors: Mapping[int, Color]
) -> dict[str, Any]:
    judged = {item.words: item for item in candidate.judgements}
    taken = candidate.object_id
    return {
        "number": candidate.number,
        "label": shorten_text(candidate.label, 40),
        "object": None if taken is None else describe_object(taken, "", colors),
        "verdict": "" if taken is not None else shorten_text(candidate.verdict, 120),
        "cells": [
            None
            if (item := judged.get(text)) is None
            else {
                "value": _value(item),
                "share": None if item.score is None else f"{100 * min(1, max(0, item.score)):.0f}",
                "measured": "" if item.score is None else shorten_text(item.measured, 120),
            }
            for text in words
        ],
    }


def _value(item: Judgement) -> str:
    return shorten_text(item.measured, 40) if item.score is None else f"{item.score:.2f}"


def _draw(picture: Picture, candidates: Sequence[Candidate], size: tuple[int, int]) -> Frame:
    """Return a picture with the boxes of candidates and their numbers; those taken in color."""
    import cv2

    drawn = picture.image.copy()
    height, width = drawn.shape[:2]
    ratio_y, ratio_x = height / size[0], width / size[1]
    line = max(1, round(min(height, width) / 200))
    tags = []
    # Those taken last, over the others.
    for one in sorted(candidates, key=lambda one: (one.object_id is not None, -one.box.area)):
        x1, x2 = (round(min(max(x * ratio_x, 0), width - 1)) for x in (one.box.x1, one.box.x2))
        y1, y2 = (round(min(max(y * ratio_y, 0), height - 1)) for y in (one.box.y1, one.box.y2))
        taken = one.object_id
        color = _NOT_TAKEN if taken is None else _color(picture.colors, taken)
        thick = line if taken is None else 2 * line
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _DARK, thick + 2)
        cv2.rectangle(drawn, (x1, y1), (x2, y2), color, thick)
        tags.append((one.number, (x1, y1), _TAG if taken is None else color))
    areas: list[tuple[int, int, int, int]] = []
    font_size = max(12, min(height, width) // _TAG_SHARE)
    for number, (x, y), color in reversed(tags):
        # At the left upper corner, mostly inside the box.
        anchor = (x + font_size // 2, y + font_size)
        areas.append(
            draw_tag(drawn, str(number), anchor, color, number, avoid=areas, font_size=font_size)
        )
    return drawn


def _color(colors: Mapping[int, Color], object_id: int) -> Color:
    return colors.get(object_id) or object_color(object_id)
