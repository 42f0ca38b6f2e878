"""Which files of a folder are the frames of a video, decided by their names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from videoseg.errors import VideoError
from videoseg.text import show_path

__all__ = ["IMAGE_SUFFIXES", "frames_of_folder", "images_in", "list_warnings", "natural_order"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Endings of picture files, in small letters."""

# Endings that the hint about a folder without pictures takes for videos; others are opened, too.
_VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})

# If at least this share of the names is alike, the others are suspected to be no frames.
_USUAL_SHARE = 0.8


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    )


def images_in(folder: Path) -> list[Path]:
    """Return the pictures directly inside a folder in natural order, without hidden files.

    Whatever is named like a picture is included, also a broken link or a pipe: leaving it out
    would shift every frame behind it by one. Opening the video refuses it.

    Raises:
        OSError: If the folder cannot be listed.
    """
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
            and not os.path.isdir(entry.path)  # noqa: PTH112 -- a loop of links is not a folder
        ]
    return [folder / name for name in sorted(names, key=lambda name: (natural_order(name), name))]


def frames_of_folder(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the pictures directly inside a folder in natural order, and warnings about them.

    Raises:
        VideoError: If the folder cannot be listed, has no pictures, or has two of one stem, such
            as a frame and its mask.
    """
    try:
        paths = images_in(folder)
    except OSError as error:
        raise _error(
            folder, f"cannot be listed ({error.strerror}); check its permissions"
        ) from error
    if not paths:
        raise _error(
            folder, f"has no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}); {_hint(folder)}"
        )
    missing = [path for path in paths if not os.path.exists(path)]  # noqa: PTH110 -- any name
    if missing:
        raise _error(
            folder,
            f"lacks {len(missing)} of its {len(paths)} pictures: {missing[0].name} is a link to a "
            "file that does not exist; fetch the linked files, or remove the links",
        )
    stems: dict[str, Path] = {}
    for path in paths:
        other = stems.setdefault(path.stem, path)
        if other is not path:
            raise _error(
                folder,
                f"has two pictures of one name, {other.name} and {path.name}, of which only one "
                "can be the frame; keep frames and masks in folders of their own, or give the "
                "list of the files that are frames",
            )
    return paths, _folder_warnings(folder, [path.name for path in paths])


def list_warnings(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a warning if the order of a list of files does not look like that of frames.

    Functions such as ``os.listdir`` and ``glob`` list a folder's files in no order.
    """
    names = [path.name for path in paths]
    is_one_sequence = len({(path.parent, _pattern(path.name)) for path in paths}) == 1
    if not is_one_sequence or len(set(names)) < len(names):
        return ()
    ordered = sorted(names, key=natural_order)
    if names in (ordered, ordered[::-1]):
        return ()
    at = next(index for index, name in enumerate(names) if name != ordered[index])
    return (
        f"the list of pictures is not in the order of its names: {names[at]} comes where "
        f"{ordered[at]} would; the frames are in the order of the list: if that is not "
        "what you want, sort it by number, or open the folder",
    )


def _pattern(name: str) -> str:
    """Return a picture's name without its ending, and with ``#`` for every number."""
    return re.sub("[0-9]+", "#", Path(name).stem)


def _folder_warnings(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return a warning if the names of pictures do not look like one sequence of frames."""
    numbers = [
        tuple(int(part) for part in re.findall("[0-9]+", Path(name).stem)) for name in names
    ]
    first: dict[tuple[int, ...], str] = {}
    for name, number in zip(names, numbers, strict=True):
        other = first.setdefault(number, name)
        if number and other is not name:
            return (
                f"the folder {folder.name} has several pictures of one number, such as {other} "
                f"and {name}; all {len(names)} are taken as frames: if some are masks, keep them "
                "in a folder of their own",
            )
    patterns = Counter(_pattern(name) for name in names)
    usual_pattern, count = patterns.most_common(1)[0]
    if len(names) > count >= _USUAL_SHARE * len(names):
        odd = next(name for name in names if _pattern(name) != usual_pattern)
        return (
            f"the name of {odd} in {folder.name} is unlike those of the other pictures; it is "
            "taken as a frame, too: if it is not one, move it elsewhere",
        )
    if len(patterns) > 1 or len({number[:-1] for number in numbers}) > 1:
        return ()
    steps = [later[-1] - earlier[-1] for earlier, later in pairwise(numbers) if later]
    usual = min(steps, default=0)
    # Numbers that are times have no even steps, and nothing is missing among them.
    if not usual or any(step % usual for step in steps) or 2 * steps.count(usual) < len(steps):
        return ()
    for at, step in enumerate(steps):
        if step != usual:
            return (
                f"the numbers of the pictures in {folder.name} have gaps: {names[at]} is followed "
                f"by {names[at + 1]}; frames are counted as if nothing were missing there",
            )
    return ()


def _hint(folder: Path) -> str:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        entries = []
    for entry in entries:
        if entry.suffix.lower() in _VIDEO_SUFFIXES:
            return (
                f"it holds videos: give one of them, such as {show_path(entry)}, or all of them "
                "to `videoseg batch` (in Python, videoseg.batch.segment_videos)"
            )
    for entry in entries:
        try:
            if entry.is_dir() and images_in(entry):
                return f"its sub-folders have: give one of them, such as {show_path(entry)}"
        except OSError:
            continue
    return "give a folder whose pictures lie directly in it, or a video file"


def _error(folder: Path, words: str) -> VideoError:
    return VideoError(f"the folder {show_path(folder)} {words}", path=str(folder), reader="images")
