"""Groups and object ids of ``meta_expressions.json``, as published benchmarks write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from videoseg.benchmarks import (
    FILE_AGAIN,
    Expression,
    ExpressionVideo,
    Problems,
    parse_expressions,
    read_video_entries,
)
from videoseg.text import shorten

__all__ = [
    "GROUPS",
    "is_decimal",
    "no_group",
    "object_ids_of",
    "parsed_object_ids",
    "read_expressions",
    "type_group",
    "values_of_video",
]

T = TypeVar("T")

GROUPS = {0: "referring", 1: "reasoning", 2: "no-target"}
"""The ``type_id`` of MeViS and ReVOS."""


def read_expressions(path: Path, problems: Problems) -> list[ExpressionVideo]:
    """Read and check the file. Invalid entries are left out; unsafe names are an error."""
    return parse_expressions(path, read_video_entries(path, problems), problems)


def is_decimal(text: str) -> bool:
    """Return whether text is a whole number from 0 in the digits 0 to 9."""
    return text.isascii() and text.isdecimal()


def no_group(_expression: Expression) -> str:
    """Put every expression into one group."""
    return ""


def type_group(types: Mapping[int, str]) -> Callable[[Expression], str]:
    """Return a function that groups expressions by ``type_id``; unknown ones get no group."""

    def group_of(expression: Expression) -> str:
        return "" if expression.type_id is None else types.get(expression.type_id, "")

    return group_of


def values_of_video(video: ExpressionVideo, by_sample: Mapping[str, T]) -> list[T]:
    """Return each distinct value that a mapping by sample id has for a video's expressions."""
    keys = (expression.sample_id for expression in video.expressions)
    return list(dict.fromkeys(by_sample[key] for key in keys if key in by_sample))


def parsed_object_ids(value: Any) -> tuple[int, ...] | None:
    """Return ids given as a number, text (``"1"``, ``"1, 2"``) or a list; None if invalid."""
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
    """Return the object ids of each expression by sample id; invalid ones are left out."""
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
                    fix=FILE_AGAIN,
                )
            else:
                found[expression.sample_id] = ids
    return found
