"""``obj_id`` of expressions: which ids of a picture they mean."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import ExpressionVideo, is_decimal, sample_id
from videoseg.benchmarks.problems import Problems
from videoseg.text import shorten

__all__ = ["object_ids_of", "parsed_object_ids"]


def parsed_object_ids(value: Any) -> tuple[int, ...] | None:
    """Return ids given as a number, text (``"1"``, ``"1, 2"``) or a list; None for others."""
    values = value if isinstance(value, list) else [value]
    found: list[int] = []
    for one in values:
        parts = one.split(",") if isinstance(one, str) else [one]
        for part in parts:
            text = part.strip() if isinstance(part, str) else part
            if type(text) is int and text > 0:
                found.append(text)
            elif isinstance(text, str) and len(text) < 10 and is_decimal(text) and int(text) > 0:
                found.append(int(text))
            else:
                return None
    return tuple(dict.fromkeys(found)) or None


def object_ids_of(
    path: Path, videos: Iterable[ExpressionVideo], problems: Problems
) -> dict[str, tuple[int, ...]]:
    """Return the object ids of every expression by the sample's id; others are left out."""
    found: dict[str, tuple[int, ...]] = {}
    for video in videos:
        for expression in video.expressions:
            ids = parsed_object_ids(expression.fields.get("obj_id"))
            if ids is None:
                problems.leave_out(
                    path,
                    f"video {video.video_id!r}, expression {expression.expression_id!r} needs "
                    "'obj_id', a number from 1, got "
                    f"{shorten(expression.fields.get('obj_id'), 40)}",
                    fix="download the file again, or correct it",
                )
            else:
                found[sample_id(video, expression)] = ids
    return found
