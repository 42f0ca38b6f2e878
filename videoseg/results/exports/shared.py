"""The files that all videos of an export share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from videoseg.errors import OutputError
from videoseg.files import FileLock, make_folder, read_text
from videoseg.text import parse_json, show_path

__all__ = ["SharedChanges", "read_document", "sharing"]

# Of a shared document: a few hundred thousand masks.
_MAX_DOCUMENT_BYTES = 1 << 30

# Others hold a shared document while they read, change and write it: seconds if it is large.
_WAIT_SECONDS = 120.0
_POLL_SECONDS = 0.05

_Read = TypeVar("_Read")

# Writes a file with the changes of the videos of these names added to what it has.
Merge: TypeAlias = Callable[[Path, Mapping[str, Any]], None]


class SharedChanges:
    """What videos add to the files that they share: written at the end, once for each file.

    A large file would otherwise be read and written for every video.
    """

    def __init__(self) -> None:
        self._changes: dict[Path, tuple[Merge, dict[str, Any]]] = {}
        self._read: dict[Path, Any] = {}

    def read_once(self, path: Path, read: Callable[[Path], _Read]) -> _Read:
        """Return what was in the file when the first video asked."""
        if path not in self._read:
            self._read[path] = read(path)
        return cast("_Read", self._read[path])

    def add(self, path: Path, sequence: str, change: Any, merge: Merge) -> None:
        """Keep the change of a video; a later one of the same video takes its place."""
        _, changes = self._changes.setdefault(path, (merge, {}))
        changes[sequence] = change

    def write(self) -> None:
        """Write every file that changes, while no other process writes it.

        Raises:
            OutputError: If a file cannot be read, extended or written.
        """
        for path, (merge, changes) in self._changes.items():
            with sharing(path):
                merge(path, changes)
        self._changes.clear()


@contextmanager
def sharing(path: Path) -> Iterator[None]:
    """Hold a file that the videos of an export share, to read, change and write it.

    Raises:
        OutputError: If another process does not let go of it, or its folder cannot be made.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    end = time.monotonic() + _WAIT_SECONDS
    try:
        make_folder(path.parent)
        while not lock.acquire():
            if time.monotonic() > end:
                raise OutputError(
                    f"another export is writing to {show_path(path)}; wait for it, or choose "
                    "another folder"
                )
            time.sleep(_POLL_SECONDS)
    except (OSError, ValueError) as error:
        # A path that no file system has is a ValueError.
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot write {show_path(path)}: {reason}; choose another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def read_document(path: Path, keys: Sequence[str], what: str) -> dict[str, Any]:
    """Read a JSON document that several videos of an export share.

    Returns:
        The document; an empty one if there is no file.

    Raises:
        OutputError: If it is not such a document.
    """
    if not os.path.lexists(path):
        return {}
    try:
        document = parse_json(read_text(path, max_bytes=_MAX_DOCUMENT_BYTES))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot read {show_path(path)}: {reason}; choose another folder"
        ) from error
    if not isinstance(document, dict) or any(key not in document for key in keys):
        raise OutputError(f"{show_path(path)} is not {what}; choose another folder")
    return document
