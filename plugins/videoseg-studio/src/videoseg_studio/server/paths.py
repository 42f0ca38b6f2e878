"""Paths that clients name: inside the project folder, or refused."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = ["is_allowed", "resolve_in_folder", "resolve_video"]

_LONGEST_PATH = 4_096


def resolve_in_folder(folder: Path, name: str) -> Path:
    """Return the path of something in a folder that a client names.

    Args:
        folder: The folder.
        name: A relative path with ``/`` between its parts.

    Returns:
        The path with symbolic links resolved. It exists, and is inside the folder.

    Raises:
        ConfigError: If the name is absolute, has a part that is ``..`` or begins with a dot,
            leads outside through a symbolic link, or does not exist. The message does not tell
            what is outside.

    Example:
        >>> resolve_in_folder(Path("."), "../secret")
        Traceback (most recent call last):
            ...
        videoseg.errors.ConfigError: '../secret' is not a path inside the project folder; ...
    """
    refused = ConfigError(
        f"{shorten(name)} is not a path inside the project folder; give one such as "
        "'clips/dog.mp4', without '..' and hidden parts"
    )
    if not is_allowed(name):
        raise refused
    parts = PurePosixPath(name).parts
    root = folder.resolve()
    try:
        found = Path(os.path.realpath(root.joinpath(*parts)))
    except (OSError, ValueError):
        raise refused from None
    if not found.is_relative_to(root):
        raise refused
    hidden = any(part.startswith(".") for part in found.relative_to(root).parts)
    try:
        exists = found.exists()
    except OSError:
        exists = False
    if hidden:
        raise refused
    if not exists:
        raise ConfigError(f"there is no {shorten(name)} in the project folder")
    return found


def resolve_video(folder: Path, name: str) -> Path:
    """Return the path of a video in a folder that a client names: a file, or pictures.

    Raises:
        ConfigError: As ``resolve_in_folder``; also if it is neither a file nor a folder, or a
            link among the pictures of a folder leads outside.
    """
    found = resolve_in_folder(folder, name)
    if found.is_dir():
        root = folder.resolve()
        for entry in os.scandir(found):
            if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(root):
                raise ConfigError(
                    f"{shorten(name)} holds a link that leads outside the project folder; "
                    "remove it"
                )
    elif not found.is_file():
        raise ConfigError(f"{shorten(name)} is not a file or a folder")
    return found


def is_allowed(name: str) -> bool:
    """Return whether a name is a relative path that clients may use, going by its text alone."""
    if not name or len(name) > _LONGEST_PATH or name.startswith("/") or "\\" in name:
        return False
    # Drives and streams of Windows; elsewhere many recorders write the time of day into names.
    if os.name == "nt" and ":" in name:
        return False
    # Control characters, and bytes that are not UTF-8. Spaces of all kinds are allowed: macOS
    # writes a narrow one into the names of recordings.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return False
    return not any(part.startswith((".", "~")) for part in PurePosixPath(name).parts)
