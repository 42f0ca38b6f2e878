"""Masks of objects and frames on the disk, read one at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.errors import OutputError
from videoseg.text import show_path
from videoseg.types import Rle, Size

__all__ = ["MaskStore"]

_SCHEMA = """
create table if not exists masks (
    object integer not null,
    frame integer not null,
    layer integer not null,
    area integer not null,
    counts text not null,
    primary key (object, frame, layer)
) without rowid
"""

_INTO = "into masks values (?, ?, ?, ?, ?)"

# Rows that are written together: a few hundred kilobytes.
_BATCH = 64


class MaskStore:
    """Masks in layers, in a database file.

    A layer is the number of the action that made its masks. A frame shows, of the layers that
    are active, the mask of the last one that has one. An empty mask says that the object is not
    visible; no mask, that nobody knows.

    Nothing is held in memory but rows that are about to be written. May be used from several
    threads.

    Args:
        path: The file; created if it does not exist.
        size: (height, width) of the masks.

    Attributes:
        is_new: Whether there was no file, or an empty one.

    Raises:
        OutputError: If the file cannot be opened or is not such a database. All methods raise it
            if the file is damaged.
    """

    def __init__(self, path: Path, size: Size) -> None:
        self._path, self._size = path, size
        self.is_new = not path.exists() or not path.stat().st_size
        self._lock = threading.RLock()
        self._waiting: list[tuple[int, int, int, int, str]] = []
        try:
            self._database = sqlite3.connect(path, check_same_thread=False)
            # The masks can be made again from the journal, so that a power cut may cost a few.
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.execute("pragma cache_size = -4096")
            self._database.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise self._damage(error) from error

    def put(self, layer: int, frame: int, masks: Iterable[tuple[int, Rle]]) -> None:
        """Keep the masks of one frame by object; they are on the disk after ``flush``."""
        with self._lock:
            self._waiting += [
                (object_id, frame, layer, rle.area, rle.counts) for object_id, rle in masks
            ]
            if len(self._waiting) >= _BATCH:
                self.flush()

    def put_missing(self, layer: int, frame: int, object_id: int, rle: Rle) -> None:
        """Keep a mask unless there is one already."""
        with self._lock:
            self.flush()
            row = (object_id, frame, layer, rle.area, rle.counts)
            self._write(f"insert or ignore {_INTO}", [row])

    def fill(self, layer: int, object_id: int, frames: Iterable[int]) -> None:
        """Say that an object is not visible on some frames."""
        empty = Rle.empty(self._size)
        with self._lock:
            self.flush()
            rows = [(object_id, frame, layer, 0, empty.counts) for frame in frames]
            self._write(f"insert or replace {_INTO}", rows)

    def flush(self) -> None:
        """Write what is waiting.

        Raises:
            OutputError: If it cannot be written, such as on a full disk.
        """
        with self._lock:
            if self._waiting:
                rows, self._waiting = self._waiting, []
                self._write(f"insert or replace {_INTO}", rows)

    def drop(self, layers: Collection[int]) -> None:
        """Delete layers that will not be shown again."""
        with self._lock:
            self.flush()
            self._write("delete from masks where layer = ?", [(layer,) for layer in layers])

    def get(self, object_id: int, frame: int, layers: Collection[int]) -> Rle | None:
        """Return the mask that is shown; None if nobody knows it."""
        with self._lock:
            rows = self._read(
                "select layer, counts from masks where object = ? and frame = ? "
                "order by layer desc",
                (object_id, frame),
            )
        for layer, counts in rows:
            if layer in layers:
                return Rle(self._size, counts)
        return None

    def iterate(
        self, object_id: int, layers: Collection[int], start: int = 0, stop: int = 2**62
    ) -> Iterator[tuple[int, Rle]]:
        """Yield the frames in [start, stop) with their shown masks, in order."""
        last = start - 1
        while True:
            with self._lock:
                rows = self._read(
                    "select frame, layer, counts from masks where object = ? and frame > ? and "
                    "frame < ? order by frame, layer desc limit ?",
                    (object_id, last, stop, 16 * _BATCH),
                )
            if not rows:
                return
            # The rows of the last frame may be incomplete, unless it is the only one.
            if len(rows) == 16 * _BATCH and rows[0][0] != rows[-1][0]:
                rows = [row for row in rows if row[0] != rows[-1][0]]
            shown = last
            for frame, layer, counts in rows:
                if frame != shown and layer in layers:
                    shown = frame
                    yield frame, Rle(self._size, counts)
            last = rows[-1][0]

    def presence(
        self, object_id: int, layers: Collection[int], num_frames: int
    ) -> npt.NDArray[np.uint8]:
        """Return for each frame 0 if nothing is known, 1 if not visible, 2 if visible."""
        found = np.zeros(num_frames, dtype=np.uint8)
        with self._lock:
            rows = self._read(
                "select frame, layer, area > 0 from masks where object = ? order by layer",
                (object_id,),
            )
            for frame, layer, is_visible in rows:
                if layer in layers and frame < num_frames:
                    found[frame] = 1 + is_visible
        return found

    def close(self) -> None:
        """Write what is waiting and close the file."""
        with self._lock:
            self.flush()
            self._database.close()

    def _read(self, statement: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        self.flush()
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._damage(error) from error

    def _write(self, statement: str, rows: Sequence[tuple[int | str, ...]]) -> None:
        try:
            with self._database:
                self._database.executemany(statement, rows)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                raise self._damage(error) from error
            raise OutputError(
                f"masks cannot be written to {show_path(self._path)} ({error}); free some space, "
                "then propagate again"
            ) from error

    def _damage(self, error: sqlite3.Error) -> OutputError:
        return OutputError(
            f"{show_path(self._path)} cannot be used ({error}); end the studio, delete it, and "
            "propagate again: corrections are kept elsewhere"
        )
