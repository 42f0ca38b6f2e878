"""Whether a file is as long as its own head says."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["missing_bytes"]

_HEAD_BYTES = 4096

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """Return how many bytes a file lacks at its end; 0 also where its head does not say.

    AVI and Matroska (WebM) files begin with their length. A download or copy that ended early
    is as readable as before, only shorter, and FFmpeg does not remark on it.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        present = os.fstat(file.fileno()).st_size
    stated = _matroska_length(head) if head.startswith(_EBML) else _riff_length(head)
    return max(0, stated - present)


def _riff_length(head: bytes) -> int:
    size = int.from_bytes(head[4:8], "little")
    # Whoever writes to a pipe cannot come back to fill in the length.
    is_known = head[:4] == b"RIFF" and 0 < size < 0xFFFFFFFF
    return 8 + size if is_known else 0


def _matroska_length(head: bytes) -> int:
    header, at = _number(head, len(_EBML))
    at += header
    if head[at : at + len(_SEGMENT)] != _SEGMENT:
        return 0
    size, begin = _number(head, at + len(_SEGMENT))
    return begin + size if size else 0


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, 0 if it is "unknown", and where it ends."""
    first = data[at] if at < len(data) else 0
    if not first:
        return 0, at
    length = 9 - first.bit_length()
    most = 2 ** (7 * length) - 1
    number = int.from_bytes(data[at : at + length], "big") & most
    return (0 if number == most else number), at + length
