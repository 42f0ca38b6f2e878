"""The items of a batch, from a folder of videos, a manifest or a list, checked before they run."""

from __future__ import annotations

import csv
import difflib
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.benchmarks import is_plain_name
from videoseg.errors import ConfigError, QueryError
from videoseg.files import expand_path, read_text
from videoseg.pipeline import check_query
from videoseg.text import parse_json, printable, shorten, shorten_text
from videoseg.video import IMAGE_SUFFIXES, images_in, natural_order

__all__ = ["VIDEO_SUFFIXES", "VideoItem", "read_items", "read_manifest", "videos_in_folder"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"}
    | {".ogv", ".3gp", ".gif"}
)
"""Suffixes of the files in a folder that are read as videos. A manifest can name any file."""

_MANIFESTS = (".jsonl", ".csv")
_FIELDS = ("video", "query", "id", "seed")


@dataclass(frozen=True, slots=True)
class VideoItem:
    """One query on one video.

    Args:
        id: The name of the item, and of the folder ``results/<id>`` of its result.
        video: A video file, a folder of pictures, or a picture.
        query: The sentence.
        seed: The seed; None for the seed of the batch.
    """

    id: str
    video: Path
    query: str
    seed: int | None = None


def checked_items(
    items: Iterable[VideoItem], *, labels: Sequence[str] = ()
) -> tuple[VideoItem, ...]:
    """Return the items after checking that each can start and has a folder of its own.

    Args:
        items: The items.
        labels: A name of each for messages, such as the line of a manifest.

    Raises:
        ConfigError: If there are none, or some are wrong; all problems at once.
    """
    found = tuple(items)
    problems: list[str] = []
    taken: dict[str, str] = {}
    for place, item in enumerate(found):
        label = labels[place] if labels else f"item {item.id!r}"
        problems += [f"{label}: {problem}" for problem in _problems_of(item)]
        # Some file systems ignore case.
        key = item.id.casefold() if isinstance(item.id, str) else repr(item.id)
        if key in taken:
            problems.append(
                f"{label}: the id {shorten(item.id)} is taken by {taken[key]}; give each item its "
                "own"
            )
        else:
            taken[key] = label
    if not found:
        problems.append("there are no items; give at least one video")
    if problems:
        raise ConfigError(problems)
    return found


def items_for_queries(videos: Sequence[Path], queries: str | Sequence[str]) -> list[VideoItem]:
    """Return one item for each video and query, named after the video.

    Videos that differ by their suffix alone keep it. With several queries, the number of the
    query (from 1) follows the name of the video.
    """
    counts = Counter(name_of(video).casefold() for video in videos)
    names = [
        name_of(video) if counts[name_of(video).casefold()] == 1 else video.name
        for video in videos
    ]
    if isinstance(queries, str):
        return [VideoItem(name, video, queries) for name, video in zip(names, videos, strict=True)]
    return [
        VideoItem(f"{name}-{number}", video, query)
        for name, video in zip(names, videos, strict=True)
        for number, query in enumerate(queries, start=1)
    ]


def name_of(video: Path) -> str:
    """Return the default name of an item: that of the file or folder."""
    # Unlike Path.is_dir, this returns False for impossible names, such as too long ones.
    return video.name if os.path.isdir(video) else video.stem  # noqa: PTH112


def read_items(
    source: str | Path | Iterable[VideoItem], queries: str | Sequence[str] | None
) -> tuple[VideoItem, ...]:
    """Return the items of a batch, checked.

    Args:
        source: A folder of videos, a manifest, a single video, or the items themselves.
        queries: The queries for each video of a folder; None where the source has queries.

    Raises:
        ConfigError: If anything is wrong; all problems at once.
    """
    if not isinstance(source, (str, Path)):
        _refuse_queries(queries, "items have")
        return checked_items(source)
    path = expand_path(source)
    # Unlike Path.is_dir, this returns False for impossible names, such as too long ones.
    is_folder = os.path.isdir(path)  # noqa: PTH112
    if path.suffix.lower() in _MANIFESTS and not is_folder:
        _refuse_queries(queries, f"the manifest {path} has")
        return read_manifest(path)
    if queries is None or (not isinstance(queries, str) and not queries):
        raise ConfigError(
            f"no query for the videos in {path}; give one, or a manifest "
            f"({', '.join(_MANIFESTS)}) with a query for each video"
        )
    videos = videos_in_folder(path) if is_folder else [path]
    return checked_items(items_for_queries([video.absolute() for video in videos], queries))


def videos_in_folder(folder: str | Path) -> list[Path]:
    """Return the videos directly in a folder: video files, and folders of pictures.

    Other files and hidden ones are ignored. Sorted by name, with numbers by value.

    Raises:
        ConfigError: If the folder cannot be listed, or contains no video.
    """
    folder = expand_path(folder)
    try:
        entries = sorted(
            (entry for entry in folder.iterdir() if not entry.name.startswith(".")),
            key=lambda entry: (natural_order(entry.name), entry.name),
        )
        videos = [entry for entry in entries if _is_video(entry)]
    except OSError as error:
        raise ConfigError(f"cannot list {folder}: {error.strerror or error}") from error
    if not videos:
        pictures = any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries)
        hint = (
            "its pictures are frames of one video: give the folder above it"
            if pictures
            else f"videos end with {', '.join(sorted(VIDEO_SUFFIXES))}; a manifest can name others"
        )
        raise ConfigError(f"{folder} has no video; {hint}")
    return videos


def read_manifest(path: str | Path) -> tuple[VideoItem, ...]:
    """Read a manifest: a video and a query in each line.

    A ``.jsonl`` file has one JSON object a line, a ``.csv`` file has a header. The fields
    ``video`` and ``query`` are required; ``id`` (by default the name of the video) and ``seed``
    are optional. Relative paths start at the folder of the manifest.

    Raises:
        ConfigError: If it cannot be read, or anything in it is wrong; all problems at once.
    """
    path = expand_path(path)
    problems: list[str] = []
    items: list[VideoItem] = []
    labels: list[str] = []
    for number, row in _rows(path, problems):
        label = f"{path}, line {number}"
        item = _item(row, path.parent, label, problems)
        if item is not None:
            items.append(item)
            labels.append(label)
    try:
        checked = checked_items(items, labels=labels)
    except ConfigError as error:
        if items or not problems:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return checked


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[int, Any]]:
    try:
        # read_text drops the byte order mark with which spreadsheets begin their files.
        text = read_text(path)
        if path.suffix.lower() == ".csv":
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            for row in reader:
                if row.pop(None, None):
                    problems.append(
                        f"{path}, line {reader.line_num}: has more values than the header has "
                        "names; put a text that has commas into quotes"
                    )
                    continue
                yield reader.line_num, {key: value for key, value in row.items() if value}
            return
        for number, line in enumerate(io.StringIO(text), start=1):
            if not line.strip():
                continue
            try:
                yield number, parse_json(line)
            except ValueError as error:
                problems.append(f"{path}, line {number}: not JSON: {error}")
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        shown = shorten_text(printable(str(path)), 300)
        raise ConfigError(f"cannot read the manifest {shown}: {reason}") from error


def _item(row: Any, folder: Path, label: str, problems: list[str]) -> VideoItem | None:
    if not isinstance(row, Mapping):
        problems.append(f"{label}: must be an object with video and query, got {shorten(row)}")
        return None
    found = []
    for name in row:
        if name not in _FIELDS:
            close = difflib.get_close_matches(str(name)[:40], _FIELDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_FIELDS)}"
            found.append(f"unknown field {shorten(name)}; {hint}")
    for name in ("video", "query"):
        if not isinstance(row.get(name), str) or not row[name]:
            found.append(f"{name!r} must be text, got {shorten(row.get(name))}")
    seed = _read_seed(row.get("seed"))
    if seed is None and row.get("seed") is not None:
        found.append(f"'seed' must be a whole number, got {shorten(row['seed'])}")
    if found:
        problems += [f"{label}: {problem}" for problem in found]
        return None
    video = (folder / expand_path(row["video"])).absolute()
    given = row.get("id")
    name = name_of(video) if given is None else str(given)
    return VideoItem(name, video, row["query"], seed)


def _read_seed(value: object) -> int | None:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_video(entry: Path) -> bool:
    if entry.is_dir():
        return bool(images_in(entry))
    return entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()


def _refuse_queries(queries: str | Sequence[str] | None, what: str) -> None:
    if queries is not None:
        raise ConfigError(f"{what} the queries; leave out {shorten(queries)}")


def _problems_of(item: VideoItem) -> list[str]:
    problems = []
    if not is_plain_name(item.id) or item.id.startswith("."):
        problems.append(
            f"the id {shorten(item.id)} cannot name a folder; use letters, digits, '-', '_' and "
            "'.', and do not begin with '.'"
        )
    try:
        check_query(item.query)
    except QueryError as error:
        problems.append(str(error))
    # Unlike Path.exists, this returns False for impossible names, such as too long ones.
    if not os.path.exists(item.video):  # noqa: PTH110
        shown = shorten_text(printable(str(item.video)), 300)
        problems.append(f"there is no video {shown}; correct the path")
    if item.seed is not None and (isinstance(item.seed, bool) or not isinstance(item.seed, int)):
        problems.append(f"the seed must be a whole number, got {shorten(item.seed)}")
    return problems
