"""Masks of objects and frames on the disk, read one at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

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

    Raises:
        OutputError: If the file cannot be opened or is not such a database.
    """

    def __init__(self, path: Path, size: Size) -> None:
        self._path, self._size = path, size
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
            raise OutputError(
                f"{show_path(path)} cannot be used ({error}); delete it, and propagate again"
            ) from error

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
            self._write("insert or ignore", [row])

    def fill(self, layer: int, object_id: int, frames: Iterable[int]) -> None:
        """Say that an object is not visible on some frames."""
        empty = Rle.empty(self._size)
        with self._lock:
            self.flush()
            rows = [(object_id, frame, layer, 0, empty.counts) for frame in frames]
            self._write("insert or replace", rows)

    def flush(self) -> None:
        """Write what is waiting.

        Raises:
            OutputError: If it cannot be written, such as on a full disk.
        """
        with self._lock:
            if self._waiting:
                rows, self._waiting = self._waiting, []
                self._write("insert or replace", rows)

    def drop(self, layers: Collection[int]) -> None:
        """Delete layers that will not be shown again."""
        with self._lock:
            self.flush()
            with self._database:
                for layer in layers:
                    self._database.execute("delete from masks where layer = ?", (layer,))

    def get(self, object_id: int, frame: int, layers: Collection[int]) -> Rle | None:
        """Return the mask that is shown; None if nobody knows it."""
        with self._lock:
            self.flush()
            rows = self._database.execute(
                "select layer, counts from masks where object = ? and frame = ? "
                "order by layer desc",
                (object_id, frame),
            ).fetchall()
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
                self.flush()
                rows = self._database.execute(
                    "select frame, layer, counts from masks where object = ? and frame > ? and "
                    "frame < ? order by frame, layer desc limit ?",
                    (object_id, last, stop, 16 * _BATCH),
                ).fetchall()
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
            self.flush()
            rows = self._database.execute(
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

    def _write(self, verb: str, rows: list[tuple[int, int, int, int, str]]) -> None:
        try:
            with self._database:
                self._database.executemany(f"{verb} into masks values (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise OutputError(
                f"masks cannot be written to {show_path(self._path)} ({error}); free some space, "
                "then propagate again"
            ) from error
