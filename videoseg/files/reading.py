"""Read untrusted files, and expand the paths that users type.

Only regular files of bounded size are read; a pipe or a device is refused instead of blocking.
All functions raise ``OSError`` with a ``strerror`` for use in messages; callers convert it to
their own typed error.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = [
    "check_regular_file",
    "expand_path",
    "is_plain_name",
    "read_bytes",
    "read_text",
    "shorten_name",
]

MAX_BYTES = 2**30
"""Largest file that ``read_bytes`` reads by default, in bytes."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def expand_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading ``~`` or ``~user`` replaced by that home directory.

    A path is returned as it is if a file with that name exists, or if the home directory is
    unknown.
    """
    plain = Path(path)
    if not plain.parts or not plain.parts[0].startswith("~") or os.path.lexists(plain):
        return plain
    # pathlib drops a leading "./", which marks the tilde as part of the name.
    if os.fspath(path).startswith(f".{os.sep}"):
        return plain
    try:
        return plain.expanduser()
    except RuntimeError:
        return plain


def shorten_name(name: str, max_bytes: int) -> str:
    """Return a file name, cut to at most ``max_bytes`` bytes.

    File systems limit names to 255 bytes, and a character takes up to four.
    """
    data = os.fsencode(name)
    return name if len(data) <= max_bytes else data[:max_bytes].decode("utf-8", "ignore")


def check_regular_file(path: str | os.PathLike[str]) -> None:
    """Check that a path is a regular file, before a library opens it.

    Raises:
        OSError: If it does not exist, or is a folder, a pipe, a device or a socket.
    """
    _check_mode(os.stat(path).st_mode, path)  # noqa: PTH116 -- also takes what Path refuses


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a regular file.

    Args:
        path: The file.
        max_bytes: The largest size to read.

    Raises:
        OSError: If it cannot be read, is larger, or is not a regular file.
    """
    # Without O_NONBLOCK, opening a pipe blocks until there is a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if Path(path).is_dir():  # Windows cannot open folders
        _check_mode(stat.S_IFDIR, path)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        _check_mode(os.fstat(descriptor).st_mode, path)
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(
            errno.EFBIG, f"is larger than the {max_bytes:,} bytes that are read", os.fspath(path)
        )
    return data


def read_text(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """Read a regular file as UTF-8, with or without a byte order mark.

    Raises:
        OSError: As for ``read_bytes``, or if it is not UTF-8.
    """
    try:
        return read_bytes(path, max_bytes=max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start})"
        raise OSError(errno.EILSEQ, reason, os.fspath(path)) from error


def _check_mode(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", os.fspath(path))
    if kind := _KINDS.get(stat.S_IFMT(mode)):
        raise OSError(errno.EINVAL, f"is {kind}, not a regular file", os.fspath(path))


# File systems take 255 bytes for one name, and a written frame adds an ending.
_MAX_NAME_BYTES = 240


def is_plain_name(name: object) -> bool:
    """Return whether a name can be that of a single file or folder inside its folder."""
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
