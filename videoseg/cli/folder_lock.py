"""Keeps two runs from writing into one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videoseg.errors import OutputError

__all__ = ["FolderLock"]


class FolderLock:
    """Keeps other processes off a folder until it is released, or this process has ended.

    Nothing is written for it, so a killed process leaves nothing to clear away.

    Args:
        place: The folder; it is made with the first ``kept``.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._descriptor: int | None = None
        self._parents: list[Path] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take the folder, and release it only if the block fails.

        Raises:
            OutputError: If another process has it, or it cannot be made or opened.
        """
        if self._descriptor is None:
            self._make()
            while not self._take():
                self._make()
        try:
            yield
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have the folder."""
        if self._descriptor is not None:
            # A process forked meanwhile has the descriptor, too: closing ours is not enough.
            with suppress(ImportError, OSError):
                import fcntl

                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
        self._descriptor = None

    def remove(self) -> None:
        """Remove the folder and what is in it, and parents made for it that hold nothing else."""
        shutil.rmtree(self._place, ignore_errors=True)
        for parent in self._parents:
            with suppress(OSError):
                parent.rmdir()

    def _make(self) -> None:
        if self._place.is_symlink() or (self._place.exists() and not self._place.is_dir()):
            raise OutputError(
                f"{self._place}, where what is found is kept on the way, is not a folder; choose "
                "another -o, or move it away"
            )
        self._parents += [parent for parent in self._place.parents if not parent.exists()]
        try:
            self._place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make {self._place}: {error.strerror}; choose another -o"
            ) from error

    def _take(self) -> bool:
        """Return whether the folder is ours; False if it was removed by the run that had it."""
        try:
            import fcntl
        except ImportError:  # no such locks on Windows
            return True
        try:
            self._descriptor = os.open(self._place, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise OutputError(
                f"cannot open {self._place}: {error.strerror}; choose another -o"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise OutputError(
                "another run into the same folder is still going and keeps what it finds in "
                f"{self._place}; wait for it, or choose another -o"
            ) from error
        except OSError:
            # Some network file systems have no locks; they can still hold a run.
            return True
        if self._is_in_its_place(self._descriptor):
            return True
        self.release()
        return False

    def _is_in_its_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._place.stat())
        except FileNotFoundError:
            return False
