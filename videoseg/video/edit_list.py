"""The edit list of an MP4 file: which of the stored frames are shown, and when.

FFmpeg applies edit lists, too, but drops frames that depend on frames left out, is some frames
off in their times, and treats a pause as a part of its own. Where a list does more than start
or delay the video, it is therefore read here and applied to an index of all stored frames.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videoseg.types import FloatArray

__all__ = ["EditList", "Part", "Schedule", "edit_list_of", "schedule_of"]

# A movie header of many hours takes some megabytes.
_MAX_BYTES = 2**28


@dataclass(frozen=True)
class Part:
    """A part of the stored track that is shown without a break.

    Args:
        time: When it is shown, in seconds from the start.
        begin: Where it begins in the track, in the track's units.
        duration: Its length, in the track's units.
    """

    time: Fraction
    begin: int
    duration: int


@dataclass(frozen=True)
class EditList:
    """The parts of a track that are shown.

    Args:
        parts: The parts, in order.
        is_plain: Whether there is one part, without a pause behind it.
    """

    parts: tuple[Part, ...]
    is_plain: bool


@dataclass(frozen=True)
class Schedule:
    """Which of the stored frames are shown, and when.

    Args:
        positions: The stored frame of every frame of the video, shape (T,).
        times: When each is shown, in seconds from the first, shape (T,).
    """

    positions: tuple[int, ...]
    times: FloatArray


def edit_list_of(path: Path, track: int, time_base: Fraction) -> EditList | None:
    """Read the edit list of a track.

    Args:
        path: The file.
        track: The number of the track in the file.
        time_base: Seconds of one of the track's units.

    Returns:
        The list; None if there is none, or if it cannot be read or changes the speed.
    """
    try:
        movie = _movie_header(path)
        rate = struct.unpack_from(">I", _body(movie, "mvhd"), 12)[0]
        for body in _bodies(movie, "trak"):
            if struct.unpack_from(">I", _body(body, "tkhd"), 12)[0] == track:
                entries = _body(_body(body, "edts"), "elst")
                return _edit_list(entries, Fraction(1, rate), time_base)
    except (OSError, struct.error, LookupError, ZeroDivisionError):
        # A damaged header, or one of another version, is left to FFmpeg.
        return None
    return None


def schedule_of(
    parts: Sequence[Part], pts: npt.NDArray[np.int64], time_base: Fraction
) -> Schedule | None:
    """Return which stored frames the parts show; None if there are none.

    Args:
        parts: The parts of an edit list.
        pts: Time of every stored frame in the track's units, ascending.
        time_base: Seconds of one unit.
    """
    positions: list[int] = []
    times: list[float] = []
    for part in parts:
        first, stop = np.searchsorted(pts, (part.begin, part.begin + part.duration))
        positions += range(first, stop)
        offsets = (pts[first:stop] - part.begin).astype(np.float64) * float(time_base)
        times += (float(part.time) + offsets).tolist()
    if not positions:
        return None
    shown = np.array(times) - times[0]
    shown.flags.writeable = False
    return Schedule(tuple(positions), shown)


def _edit_list(entries: bytes, unit: Fraction, time_base: Fraction) -> EditList | None:
    form = ">Qqhh" if entries[0] == 1 else ">Iihh"
    count = struct.unpack_from(">I", entries, 4)[0]
    parts: list[Part] = []
    time = Fraction(0)
    is_plain = True
    for at in range(8, 8 + count * struct.calcsize(form), struct.calcsize(form)):
        length, begin, speed, fraction = struct.unpack_from(form, entries, at)
        is_plain &= not parts
        if begin >= 0:
            if (speed, fraction) != (1, 0) or not length:
                return None
            parts.append(Part(time, begin, round(length * unit / time_base)))
        time += length * unit
    return EditList(tuple(parts), is_plain)


def _movie_header(path: Path) -> bytes:
    with path.open("rb") as file:
        while head := file.read(8):
            size, kind = struct.unpack(">I4s", head)
            size = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
            if kind == b"moov":
                return file.read(min(max(size, 0), _MAX_BYTES))
            if size < 0:
                break
            file.seek(size, 1)
    raise LookupError("moov")


def _bodies(data: bytes, kind: str) -> Iterator[bytes]:
    """Yield the content of every box of a kind that lies directly in another's content."""
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if size < 8:
            return
        if data[at + 4 : at + 8] == kind.encode():
            yield data[at + 8 : at + size]
        at += size


def _body(data: bytes, kind: str) -> bytes:
    body = next(_bodies(data, kind), None)
    if body is None:
        raise LookupError(kind)
    return body
