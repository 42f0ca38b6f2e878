"""Where a command writes: chosen and tried before the work begins."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.files import check_regular_file
from videoseg.text import shorten_text

__all__ = [
    "check_output_folder",
    "check_place",
    "default_output_folder",
    "write_file",
]

_DEFAULT_PARENT = "videoseg-out"
# Of the names inside a result, with that of the hidden folder that it is written into first.
_LONGEST_INSIDE = 200


def default_output_folder(name: str) -> Path:
    """Return a folder that does not exist yet, named after a video.

    Example:
        >>> default_output_folder("no such clip!").as_posix()
        'videoseg-out/no-such-clip'
    """
    clean = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    # File names have at most 255 bytes, and a letter has up to four.
    clean = os.fsencode(clean[:80])[:200].decode("utf-8", "ignore") or "video"
    folder = Path(_DEFAULT_PARENT, clean)
    number = 2
    while os.path.lexists(folder):
        folder = folder.with_name(f"{clean}-{number}")
        number += 1
    return folder


def check_output_folder(folder: Path, *, overwrite: bool) -> None:
    """Make sure a result can be written to a folder, by beginning to, before the work.

    Raises:
        OutputError: If the folder is taken, or nothing can be written there.
    """
    from videoseg.files.staged_folder import staged_folder

    check_place(folder)
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    stage = staged_folder(
        folder, overwrite=overwrite, what="the result", replaceable=_why_not_a_result
    )
    with contextlib.suppress(_OnlyTrying), stage:
        raise _OnlyTrying
    # An attempt leaves nothing behind, not even the parents it needed.
    for made in folder.absolute().parents:
        if made == existing or not made.is_relative_to(existing):
            break
        with contextlib.suppress(OSError):
            made.rmdir()


def check_place(path: Path) -> None:
    """Make sure that the file system can have such a name, and files in a folder of that name.

    Raises:
        OutputError: If it is too long, leads in circles, or holds a null character.
    """
    try:
        # What does not exist is what is wanted; what cannot exist is another error.
        os.lstat(path.absolute() / ("x" * _LONGEST_INSIDE))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write to {shorten_text(str(path), 200)}: {reason}; choose another place"
        ) from error


class _OnlyTrying(Exception):  # noqa: N818 - not an error
    """Leaves a staged folder without making it appear."""


def _why_not_a_result(folder: Path) -> str | None:
    from videoseg.results import load_result

    parts = {"result.json", "masks", "overlay.mp4", "report.html"}
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in parts)
    if foreign:
        return f"it holds files that are no part of a result ({', '.join(foreign[:3])})"
    try:
        load_result(folder)
    except OutputError as error:
        return str(error)
    return None


def write_file(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all.

    Raises:
        OutputError: If it cannot be written, or a folder, a pipe or a device is in its place.
    """
    temporary: str | None = None
    try:
        if path.exists():
            # What takes its place takes away a device from the whole machine.
            check_regular_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(text)
        os.replace(temporary, path)  # noqa: PTH105 - two plain names
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {shorten_text(str(path), 200)}: {reason}; choose another place"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108 - a plain name
