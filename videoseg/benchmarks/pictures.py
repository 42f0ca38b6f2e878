"""The pictures of a benchmark's videos: found, counted and measured while it is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from videoseg.benchmarks.problems import ProblemList
from videoseg.errors import VideoError
from videoseg.files import check_regular_file
from videoseg.types import Size
from videoseg.video import IMAGE_SUFFIXES
from videoseg.video.images import ImageReader

__all__ = ["picture_files", "picture_size", "pictures_by_name"]


def pictures_by_name(folder: Path) -> dict[str, str]:
    """Return the pictures directly inside a folder: name without ending -> file name.

    Raises:
        OSError: If the folder cannot be listed (missing, no permission, a loop of links).
    """
    with os.scandir(folder) as entries:
        files = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    found: dict[str, str] = {}
    for file in files:
        stem, dot, suffix = file.rpartition(".")
        if dot + suffix.lower() in IMAGE_SUFFIXES:
            found.setdefault(stem, file)
    return found


def picture_files(
    folder: Path, names: Sequence[str], problems: ProblemList
) -> tuple[str, ...] | None:
    """Return the file of each named frame, or note what is missing and return None."""
    try:
        found = pictures_by_name(folder)
    except OSError as error:
        problems.add(
            folder,
            f"the folder of frames cannot be listed ({error.strerror or error})",
            fix="download the frames of this video again, or give the right --root",
        )
        return None
    missing = [name for name in names if name not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        problems.add(
            folder,
            f"{len(missing)} of {len(names)} frames have no picture ({shown})",
            fix="download the frames of this video again",
        )
        return None
    return tuple(found[name] for name in names)


def picture_size(path: Path, problems: ProblemList) -> Size | None:
    """Return (height, width) of a picture from its header, or note why not and return None.

    The size is that of the frame as videos show it, upright.
    """
    try:
        check_regular_file(path)
        return ImageReader([path], fps=1.0).size
    except OSError as error:
        problems.add(path, f"cannot be read ({error.strerror or error})", fix="download it again")
        return None
    except VideoError as error:
        problems.add(path, str(error), fix="download it again")
        return None
