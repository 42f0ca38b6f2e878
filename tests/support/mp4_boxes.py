"""Changing what an MP4 file says about its pictures without touching the pictures."""

from __future__ import annotations

import struct
from collections.abc import Sequence

UNIT = 1 << 16

# Where the stored pixel (x, y) is shown: (a x + c y, b x + d y).
MATRICES: dict[str, tuple[int, int, int, int]] = {
    "as it is": (1, 0, 0, 1),
    "quarter turn": (0, 1, -1, 0),
    "half turn": (-1, 0, 0, -1),
    "three quarter turns": (0, -1, 1, 0),
    "left and right exchanged": (-1, 0, 0, 1),
    "top and bottom exchanged": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed the other way": (0, -1, -1, 0),
}


def box_at(data: bytes, *kinds: str) -> tuple[int, int]:
    """Return (offset, size) of a box inside boxes, such as ``box_at(data, "moov", "mvhd")``."""
    start, end = 0, len(data)
    for kind in kinds:
        at = start
        while data[at + 4 : at + 8] != kind.encode():
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end, f"no box {kind}"
        start, end = at + 8, at + struct.unpack_from(">I", data, at)[0]
    return start - 8, end - start + 8


def with_matrix(data: bytes, matrix: tuple[float, float, float, float]) -> bytes:
    """Return a file whose pictures are to be shown through a display matrix."""
    changed = bytearray(data)
    at = box_at(data, "moov", "trak", "tkhd")[0] + 8 + 40
    assert struct.unpack_from(">i", data, at)[0] == UNIT
    a, b, c, d = (round(value * UNIT) for value in matrix)
    struct.pack_into(">9i", changed, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(changed)


def with_edits(data: bytes, edits: Sequence[tuple[int | None, int]], *, rate: int) -> bytes:
    """Return a file whose edit list shows parts of it, one after another.

    Args:
        data: The file; its index must stand behind its pictures, or have one edit already and
            get one.
        edits: The first frame of each part, None for a pause, and its number of frames.
        rate: Frames per second.
    """
    movie = _timescale(data, "moov", "mvhd")
    media = _timescale(data, "moov", "trak", "mdia", "mdhd")
    old = box_at(data, "moov", "trak", "edts", "elst")[0]
    shift = struct.unpack_from(">i", data, old + 20)[0]
    entries = b"".join(
        struct.pack(
            ">Iihh",
            count * movie // rate,
            -1 if first is None else shift + first * media // rate,
            1,
            0,
        )
        for first, count in edits
    )
    listed = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    replacement = struct.pack(">I4s", 8 + len(listed), b"edts") + listed
    changed = bytearray(data)
    at, size = box_at(data, "moov", "trak", "edts")
    assert size == len(replacement) or box_at(data, "mdat") < box_at(data, "moov")
    changed[at : at + size] = replacement
    for path in (("moov",), ("moov", "trak")):
        outer, length = box_at(data, *path)
        struct.pack_into(">I", changed, outer, length + len(replacement) - size)
    return bytes(changed)


def _timescale(data: bytes, *path: str) -> int:
    return int(struct.unpack_from(">I", data, box_at(data, *path)[0] + 20)[0])
