"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.files.reading import shorten_name
from videoseg.text import show_path, well_formed

__all__ = ["make_folder", "write_file"]

_counter = itertools.count()


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, unless it is there.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except RecursionError as error:
        raise OSError(errno.ENAMETOOLONG, "the path has too many parts") from error


def write_file(path: Path, text: str) -> None:
    """Write a text file in one step: readers see the old file or the new one, never half.

    It is UTF-8; halves of surrogate pairs become U+FFFD.

    Raises:
        OutputError: If it cannot be written.
    """
    name = shorten_name(path.name, 100)
    partial = path.with_name(f".{name}.partial-{os.getpid()}-{next(_counter)}")
    try:
        make_folder(path.parent)
        with partial.open("x", encoding="utf-8") as file:
            file.write(well_formed(text))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot write {show_path(path)}: {reason}; check the folder, its "
            "permissions and the free space"
        ) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            partial.unlink()
