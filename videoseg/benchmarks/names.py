"""Names that data brings along and that become part of a path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["is_plain_name", "is_safe_id", "linked_folder", "unpacked_folder"]

# File systems take 255 bytes for one name, and a written frame adds an ending.
_MAX_NAME_BYTES = 240
_MAX_LINK_BYTES = 4096


def is_plain_name(name: object) -> bool:
    """Return whether a name can be the name of one file or folder and lead nowhere else."""
    return (
        isinstance(name, str)
        and name not in {"", ".", ".."}
        and "/" not in name
        and "\\" not in name
        and name.isprintable()
        and name == name.strip()
        # A drive or a stream on Windows.
        and ":" not in name
        and len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES
    )


def is_safe_id(video_id: object) -> bool:
    """Return whether a video's id, which may hold folders, stays inside the folder it is in."""
    return isinstance(video_id, str) and all(is_plain_name(part) for part in video_id.split("/"))


def linked_folder(path: Path) -> Path:
    """Return a folder, or the one that a text file in its place stands for.

    Git writes a symbolic link as a small text file holding the relative path where links are
    not supported. Such a file is followed if the path leads to an existing folder; an absolute
    path is not. What is read there are pictures only, whose names are checked like any other.
    """
    try:
        if not path.is_file() or path.stat().st_size > _MAX_LINK_BYTES:
            return path
        target = Path(path.read_text(encoding="utf-8").strip())
        if target.is_absolute() or not target.parts:
            return path
        folder = path.parent / target
        return folder.resolve() if folder.is_dir() else path
    except (OSError, ValueError, RuntimeError):
        return path


def unpacked_folder(path: Path, names: Iterable[str]) -> Path:
    """Return a folder, or the one of the same name inside it if what is wanted is only there.

    An archive that has its folder inside, unpacked into a folder of that name, ends up so.

    Args:
        path: The folder.
        names: What is wanted in it.
    """
    inner = path / path.name
    if inner.is_dir() and not any((path / name).exists() for name in names):
        return inner
    return path
