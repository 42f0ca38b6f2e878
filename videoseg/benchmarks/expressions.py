"""Read ``meta_expressions.json``, in which most benchmarks list videos and expressions.

::

    {"videos": {<video>: {"frames": [<name>, ...],
                          "height": int, "width": int,                       (some)
                          "expressions": {<id>: {"exp": <text>,
                                                 "anno_id": [int, ...],      (with masks)
                                                 "obj_id": [int, ...],
                                                 "type_id": 0 | 1 | 2,       (ReVOS, Ref-SAV)
                                                 ...}}}}}

Text under other keys of an expression, such as ``type``, becomes an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.benchmarks.types import Sample
from videoseg.benchmarks.untrusted import (
    DO_NOT_TRUST,
    FILE_AGAIN,
    ProblemList,
    Problems,
    is_plain_name,
    is_safe_id,
    read_mapping,
)
from videoseg.text import shorten
from videoseg.types import Size

__all__ = [
    "Expression",
    "ExpressionVideo",
    "make_samples",
    "parse_expressions",
    "read_video_entries",
]

# Upper bound on height and width, beyond any video.
_MOST_PIXELS = 2**16

# Text, ids and targets of expressions are not attributes.
_NO_ATTRIBUTES = {"exp", "exp_text", "exp_id", "obj_id", "anno_id"}


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of the file.

    Args:
        sample_id: The id of its sample, ``video/expression``.
        expression_id: Unique within the video.
        text: The sentence.
        anno_ids: Keys of the masks; None if the file has none.
        type_id: The benchmark's kind of expression, if it has kinds.
        fields: The whole entry of the file.
    """

    sample_id: str
    expression_id: str
    text: str
    anno_ids: tuple[str, ...] | None
    type_id: int | None
    fields: Mapping[str, Any]

    @property
    def attributes(self) -> dict[str, str]:
        """The other keys that hold text."""
        return {
            key: value
            for key, value in self.fields.items()
            if isinstance(value, str) and value and key not in _NO_ATTRIBUTES
        }


@dataclass(frozen=True, slots=True)
class ExpressionVideo:
    """One video of the file; ``size`` is None if the file does not have it."""

    video_id: str
    frames: tuple[str, ...]
    size: Size | None
    expressions: tuple[Expression, ...]
    fields: Mapping[str, Any]


def read_video_entries(path: Path, problems: Problems) -> dict[str, Any]:
    """Read the mapping of videos, which may be at the top level or under ``videos``.

    Args:
        path: The file.
        problems: Where problems are noted.

    Returns:
        The entry of each video by its id, unchecked; empty if the file cannot be read.
    """
    document = read_mapping(path, problems)
    if document is None:
        return {}
    videos = document.get("videos", document)
    if not isinstance(videos, dict) or not videos:
        problems.add(path, "lists no videos", fix="give the file the benchmark publishes")
        return {}
    return videos


def parse_expressions(
    path: Path,
    videos: Mapping[str, Any],
    problems: Problems,
    *,
    prepare: Callable[[Any], Any] | None = None,
) -> list[ExpressionVideo]:
    """Check the entries that ``read_video_entries`` returns.

    Invalid entries are left out; names that lead out of the folder are an error.

    Args:
        path: The file.
        videos: The entry of each video.
        problems: Where problems are noted.
        prepare: Converts a video's entry of another form into the usual one.

    Returns:
        The videos that have a valid expression, in the file's order.
    """
    found = []
    for video_id, value in videos.items():
        entry = value if prepare is None else prepare(value)
        odd = problems.entry(_num_expressions(entry))
        video = _video(path, video_id, entry, problems, odd)
        if video is not None and video.expressions:
            found.append(video)
    return found


def _num_expressions(entry: Any) -> int:
    expressions = entry.get("expressions") if isinstance(entry, dict) else None
    return len(expressions) if isinstance(expressions, (dict, list)) else 1


def _video(
    path: Path, video_id: str, entry: Any, problems: Problems, odd: ProblemList
) -> ExpressionVideo | None:
    place = f"video {shorten(video_id)}"
    if not is_safe_id(video_id):
        problems.add(
            path,
            f"{place} is not a usable id: it leads out of the folder or has characters that file "
            "names must not have",
            fix=DO_NOT_TRUST,
        )
        return None
    if isinstance(entry, dict) and "objects" in entry and "expressions" not in entry:
        odd.add(
            path,
            f"{place} lists expressions by object and without ids, as the first release of "
            "Ref-YouTube-VOS (2020) does",
            fix="take meta_expressions.json of the present release, which the benchmark's page "
            "links to",
        )
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("expressions"), dict):
        odd.add(path, f"{place} needs 'frames' and 'expressions'", fix=FILE_AGAIN)
        return None
    frames = _frames(path, place, entry.get("frames"), problems, odd)
    if frames is None:
        return None
    size = None
    if "height" in entry and "width" in entry:
        size = (entry["height"], entry["width"])
        if not all(type(length) is int and 0 < length < _MOST_PIXELS for length in size):
            odd.add(path, f"{place} has the size {shorten(size)}", fix=FILE_AGAIN)
            return None
    expressions = tuple(
        expression
        for key, value in entry["expressions"].items()
        if (expression := _expression(path, video_id, place, key, value, problems)) is not None
    )
    return ExpressionVideo(video_id, frames, size, expressions, entry)


def _frames(
    path: Path, place: str, names: Any, problems: Problems, odd: ProblemList
) -> tuple[str, ...] | None:
    if not isinstance(names, list) or not names:
        odd.add(path, f"{place} has no list of 'frames'", fix=FILE_AGAIN)
        return None
    bad = next((name for name in names if not is_plain_name(name)), None)
    if bad is not None or None in names:
        problems.add(path, f"{place} has the frame name {shorten(bad)}", fix=FILE_AGAIN)
        return None
    if len(set(names)) != len(names):
        odd.add(path, f"{place} lists a frame twice", fix=FILE_AGAIN)
        return None
    return tuple(names)


def _expression(
    path: Path, video_id: str, place: str, key: str, value: Any, problems: Problems
) -> Expression | None:
    where = f"{place}, expression {shorten(key)}"
    if not is_plain_name(key):
        problems.add(
            path,
            f"{where} is not a usable id: it becomes a folder's name",
            fix=DO_NOT_TRUST,
        )
        return None
    if not isinstance(value, dict) or not isinstance(value.get("exp"), str):
        problems.leave_out(path, f"{where} has no text 'exp'", fix=FILE_AGAIN)
        return None
    if not value["exp"].strip():
        problems.leave_out(path, f"{where} is empty", fix=FILE_AGAIN)
        return None
    anno_ids = _anno_ids(value.get("anno_id"))
    if anno_ids is None and "anno_id" in value:
        problems.leave_out(
            path,
            f"{where}: 'anno_id' must be a number or a list of them, got "
            f"{shorten(value['anno_id'])}",
            fix=FILE_AGAIN,
        )
        return None
    type_id = value.get("type_id")
    return Expression(
        f"{video_id}/{key}",
        key,
        value["exp"].strip(),
        anno_ids,
        type_id if type(type_id) is int else None,
        value,
    )


def _anno_ids(value: Any) -> tuple[str, ...] | None:
    values = value if isinstance(value, list) else [value]
    if not all(
        type(one) is int
        or (isinstance(one, str) and len(one) < 19 and one.isascii() and one.isdecimal())
        for one in values
    ):
        return None
    return tuple(dict.fromkeys(str(int(one)) for one in values))


def make_samples(
    videos: Sequence[ExpressionVideo],
    group_of: Callable[[Expression], str],
    known: Container[str] | None = None,
) -> list[Sample]:
    """Return one sample for each expression, in the file's order.

    Args:
        videos: The videos with their expressions.
        group_of: The group of an expression.
        known: The ids of the samples that have a truth; None if all have one.
    """
    return [
        Sample(
            video.video_id,
            expression.expression_id,
            expression.text,
            group=group_of(expression),
            attributes=expression.attributes,
        )
        for video in videos
        for expression in video.expressions
        if known is None or expression.sample_id in known
    ]
