"""Telling from its bytes whether a compressed picture wipes the decoder's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["wipes_memory"]

# Types of the units in a packet that make it an instantaneous decoder refresh.
_H264_REFRESH = frozenset({5})
_HEVC_REFRESH = frozenset({19, 20})

_START_CODE = b"\x00\x00\x01"


def wipes_memory(codec: str, packet: Buffer, setup: bytes) -> bool:
    """Return whether nothing before a keyframe can matter for anything behind it.

    H.264 and HEVC mark as keyframes also pictures that later ones may reach across.

    Args:
        codec: FFmpeg's name of the codec.
        packet: The packet of a keyframe.
        setup: The codec's own header, which says how the packet is divided.
    """
    if codec == "h264":
        data = bytes(packet)
        # A header of this form tells how many bytes give the length of each unit.
        width = (setup[4] & 3) + 1 if len(setup) > 4 and setup[0] == 1 else 0
        return any(data[at] & 31 in _H264_REFRESH for at in _units(data, width))
    if codec == "hevc":
        data = bytes(packet)
        width = (setup[21] & 3) + 1 if len(setup) > 21 and setup[0] == 1 else 0
        return any((data[at] >> 1) & 63 in _HEVC_REFRESH for at in _units(data, width))
    return True


def _units(data: bytes, length_width: int) -> Iterator[int]:
    """Yield where the units of a packet begin."""
    if not length_width:
        at = data.find(_START_CODE)
        while at >= 0 and at + 3 < len(data):
            yield at + 3
            at = data.find(_START_CODE, at + 3)
        return
    at = 0
    while at + length_width < len(data):
        length = int.from_bytes(data[at : at + length_width], "big")
        at += length_width
        yield at
        at += length
