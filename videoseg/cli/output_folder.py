"""Output folders of commands, checked before the work begins."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.files import shorten_name, staged_folder
from videoseg.text import shorten_text

__all__ = ["check_output_folder", "check_path_length", "default_output_folder"]

_DEFAULT_PARENT = "videoseg-out"
# Longest path below a result folder, with the hidden folder it is first written to, in bytes.
_MAX_INNER_PATH = 200


def default_output_folder(name: str) -> Path:
    """Return an unused folder named after a video.

    Example:
        >>> default_output_folder("no such clip!").as_posix()
        'videoseg-out/no-such-clip'
    """
    clean = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    clean = shorten_name(clean[:80], 200) or "video"
    folder = Path(_DEFAULT_PARENT, clean)
    number = 2
    while os.path.lexists(folder):
        folder = folder.with_name(f"{clean}-{number}")
        number += 1
    return folder


def check_output_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a result can be written to a folder, by starting to write it.

    Raises:
        OutputError: If the folder holds something else, or cannot be written.
    """
    from videoseg.results.folder import why_not_replaceable

    check_path_length(folder)
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    stage = staged_folder(
        folder, overwrite=overwrite, what="the result", replaceable=why_not_replaceable
    )
    with contextlib.suppress(_Discard), stage:
        raise _Discard
    # Remove the parents made for the attempt, too.
    for made in folder.absolute().parents:
        if made == existing or not made.is_relative_to(existing):
            break
        with contextlib.suppress(OSError):
            made.rmdir()


def check_path_length(path: Path) -> None:
    """Check that the file system allows a path, and files in a folder of that path.

    Raises:
        OutputError: If it is too long, has a loop of links, or contains a null character.
    """
    try:
        # A path that can exist but does not raises FileNotFoundError.
        os.lstat(path.absolute() / ("x" * _MAX_INNER_PATH))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write to {shorten_text(str(path), 200)}: {reason}; choose another place"
        ) from error


class _Discard(Exception):  # noqa: N818 - not an error
    """Leaves a staged folder without writing it to its final path."""
