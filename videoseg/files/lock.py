"""Locks that give one process at a time a file or a folder.

A lock is a file of its own, removed when the lock is released. When a process dies, the system
releases its lock; the file left behind locks nothing, and the next process takes it over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videoseg.errors import OutputError

__all__ = ["FileLock", "FolderLock"]

_NAME = ".lock"


class FileLock:
    """A lock file that one process holds at a time.

    Args:
        path: The lock file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock, without waiting; return False if another process holds it.

        Raises:
            OSError: If the lock file cannot be opened.
        """
        from filelock import lock_descriptor

        while self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                free = lock_descriptor(descriptor, blocking=False)
            except OSError:
                # Some network file systems have no locks; they can still hold a run.
                free = True
            # The last holder may have removed the file since it was opened here.
            if free and os.fstat(descriptor).st_nlink:
                self._descriptor = descriptor
            else:
                os.close(descriptor)
                if not free:
                    return False
        return True

    def release(self) -> None:
        """Release the lock and remove its file. Releasing twice does nothing."""
        from filelock import unlock_descriptor

        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        if os.name == "posix":
            self._remove()
        # A process forked meanwhile shares the descriptor: closing ours would not unlock it.
        with suppress(OSError):
            unlock_descriptor(descriptor)
        os.close(descriptor)
        if os.name != "posix":
            # Open files cannot be removed there, so this spares a file that was taken since.
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink()


class FolderLock:
    """A lock on a folder, held until it is released or this process ends.

    Args:
        folder: The folder; ``acquired`` makes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / _NAME)
        self._new_parents: list[Path] = []

    @contextmanager
    def acquired(self) -> Iterator[None]:
        """Create and lock the folder; release it only if the block fails.

        Raises:
            OutputError: If another process holds it, or it cannot be made or opened.
        """
        self._take()
        try:
            yield
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock on the folder. Releasing twice does nothing."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the folder with its content, release it, and remove parents made for it.

        Parents that hold anything else stay.
        """
        with suppress(OSError):
            for entry in list(self._folder.iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name != _NAME:
                    with suppress(OSError):
                        entry.unlink()
        self.release()
        for folder in (self._folder, *self._new_parents):
            # Another process may have taken the folder since; then it is not empty.
            with suppress(OSError):
                folder.rmdir()

    def _take(self) -> None:
        taken = False
        while not taken:
            self._make()
            try:
                taken = self._lock.acquire()
            except FileNotFoundError:
                # The run that held the folder has just removed it.
                continue
            except OSError as error:
                raise OutputError(
                    f"cannot open {self._folder}: {error.strerror}; choose another output folder"
                ) from error
            if not taken:
                raise OutputError(
                    "another run is still writing to the same folder and keeps its checkpoint in "
                    f"{self._folder}; wait for it, or choose another output folder"
                )

    def _make(self) -> None:
        if self._folder.is_symlink() or (self._folder.exists() and not self._folder.is_dir()):
            raise OutputError(
                f"{self._folder}, the place of the run's checkpoint, is not a folder; "
                "choose another output folder, or move it away"
            )
        self._new_parents += [p for p in self._folder.parents if not p.exists()]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make {self._folder}: {error.strerror}; choose another output folder"
            ) from error
