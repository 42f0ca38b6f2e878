"""Paths that clients name: inside the project folder, or refused."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = ["resolve_in_folder"]

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
    if not name or len(name) > _LONGEST_PATH or not name.isprintable() or "\\" in name:
        raise refused
    parts = PurePosixPath(name).parts
    if name.startswith("/") or any(part.startswith((".", "~")) or ":" in part for part in parts):
        raise refused
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
