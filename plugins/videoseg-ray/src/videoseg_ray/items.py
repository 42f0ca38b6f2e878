"""What is asked of which video, and where the answer goes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from videoseg.benchmarks.untrusted import is_plain_name
from videoseg.errors import ConfigError, QueryError
from videoseg.pipeline import check_query
from videoseg.text import printable, shorten, shorten_text

__all__ = ["VideoItem", "checked_items", "items_for_queries", "name_of"]


@dataclass(frozen=True, slots=True)
class VideoItem:
    """One query on one video.

    Args:
        id: What the item is called; its result is written to ``results/<id>``. It must be
            the name of one folder.
        video: A video file, a folder of pictures, or a picture.
        query: The sentence.
        seed: The seed; None for that of the run.
    """

    id: str
    video: Path
    query: str
    seed: int | None = None


def checked_items(
    items: Iterable[VideoItem], *, labels: Sequence[str] = ()
) -> tuple[VideoItem, ...]:
    """Return the items, once it is clear that each can be begun and has a place of its own.

    Args:
        items: The items.
        labels: What messages call each of them, such as the line of a manifest.

    Raises:
        ConfigError: If there are none, or something is wrong with some; all problems at once.
    """
    found = tuple(items)
    problems: list[str] = []
    taken: dict[str, str] = {}
    for place, item in enumerate(found):
        label = labels[place] if labels else f"item {item.id!r}"
        problems += [f"{label}: {problem}" for problem in _problems_of(item)]
        # Some file systems do not tell capital letters from small ones.
        key = item.id.casefold() if isinstance(item.id, str) else repr(item.id)
        if key in taken:
            problems.append(
                f"{label}: the id {shorten(item.id)} is taken by {taken[key]}; give each item its "
                "own"
            )
        else:
            taken[key] = label
    if not found:
        problems.append("there is nothing to do; give at least one video")
    if problems:
        raise ConfigError(problems)
    return found


def items_for_queries(videos: Sequence[Path], queries: str | Sequence[str]) -> list[VideoItem]:
    """Return one item for each video and query, named after the video.

    With several queries, the number of the query (from 1) follows the name of the video.
    """
    if isinstance(queries, str):
        return [VideoItem(name_of(video), video, queries) for video in videos]
    return [
        VideoItem(f"{name_of(video)}-{number}", video, query)
        for video in videos
        for number, query in enumerate(queries, start=1)
    ]


def name_of(video: Path) -> str:
    """Return what an item is called by default: the name of the file or folder."""
    # Unlike that of Path, this says no to what no file system can have, such as long names.
    return video.name if os.path.isdir(video) else video.stem  # noqa: PTH112


def _problems_of(item: VideoItem) -> list[str]:
    problems = []
    if not is_plain_name(item.id) or item.id.startswith("."):
        problems.append(
            f"the id {shorten(item.id)} cannot name a folder; use letters, digits, '-', '_' and "
            "'.', and begin with another sign than '.'"
        )
    try:
        check_query(item.query)
    except QueryError as error:
        problems.append(str(error))
    # Unlike that of Path, this says no to what no file system can have, such as long names.
    if not os.path.exists(item.video):  # noqa: PTH110
        shown = shorten_text(printable(str(item.video)), 300)
        problems.append(f"there is no video {shown}; correct the path")
    if item.seed is not None and (isinstance(item.seed, bool) or not isinstance(item.seed, int)):
        problems.append(f"the seed must be a whole number, got {shorten(item.seed)}")
    return problems
