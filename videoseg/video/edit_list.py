"""The pauses that the edit list of an MP4 file makes between its parts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

__all__ = ["pauses_of"]

# A movie header of many hours takes some megabytes.
_MAX_BYTES = 2**28


def pauses_of(path: Path, track: int) -> list[tuple[Fraction, Fraction]]:
    """Return when nothing is to be shown after the first picture of a track has been.

    FFmpeg takes such a pause for a part that begins with the first picture of the file.

    Args:
        path: The file.
        track: The number of the track in the file.

    Returns:
        Start and end of every pause in seconds of presentation; none where the file has no
        edit list that can be read.
    """
    try:
        movie = _movie_header(path)
        rate = struct.unpack_from(">I", _body(movie, "mvhd"), 12)[0]
        for body in _bodies(movie, "trak"):
            if struct.unpack_from(">I", _body(body, "tkhd"), 12)[0] == track:
                return _pauses(_body(_body(body, "edts"), "elst"), rate)
    except (OSError, struct.error, LookupError, ZeroDivisionError):
        # Half a header, or one of another version, is FFmpeg's to make something of.
        return []
    return []


def _pauses(entries: bytes, rate: int) -> list[tuple[Fraction, Fraction]]:
    form = ">Qq4x" if entries[0] == 1 else ">Ii4x"
    count = struct.unpack_from(">I", entries, 4)[0]
    pauses = []
    time = Fraction(0)
    has_shown = False
    for at in range(
        8, min(8 + count * struct.calcsize(form), len(entries)), struct.calcsize(form)
    ):
        duration, begin = struct.unpack_from(form, entries, at)
        end = time + Fraction(duration, rate)
        if begin < 0 and has_shown:
            pauses.append((time, end))
        has_shown |= begin >= 0
        time = end
    return pauses


def _movie_header(path: Path) -> bytes:
    with path.open("rb") as file:
        while head := file.read(8):
            size, kind = struct.unpack(">I4s", head)
            size = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
            if kind == b"moov":
                return file.read(min(size, _MAX_BYTES))
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
