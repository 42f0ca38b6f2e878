"""Clips whose every frame tells its own index; also a script that writes one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition
from mp4_boxes import with_edits


def picture(index: int, size: tuple[int, int] = (60, 84)) -> npt.NDArray[np.uint8]:
    """Return a picture whose left half is a color of its index, over moving stripes."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    stripes = (rows * 3 + columns * 2 + index * 7) % 256
    frame = np.repeat(stripes[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    frame[:, : width // 2] = (40 + 4 * (index % 50), 240 - 4 * (index % 50), 128)
    return frame


def encode(
    path: Path,
    *,
    num_frames: int = 40,
    size: tuple[int, int] = (60, 84),
    rate: Fraction | int = Fraction(30000, 1001),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    edits: Sequence[tuple[int | None, int]] = (),
) -> Path:
    """Write a clip of numbered pictures and return its path.

    The edits are those of ``mp4_boxes.with_edits``.
    """
    rate = Fraction(rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        if time_base is not None:
            stream.codec_context.time_base = time_base
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts = index if pts is None else pts[index]
            frame.time_base = time_base or 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if edits:
        path.write_bytes(with_edits(path.read_bytes(), edits, rate=int(rate)))
    return path


def number_of(frame: npt.NDArray[np.uint8]) -> int:
    """Return which of the first fifty numbered pictures a frame is."""
    height, width = frame.shape[:2]
    left = frame[height // 4 : -height // 4, width // 8 : width * 3 // 8]
    red, green = left[:, :, 0].mean(), left[:, :, 1].mean()
    return round((float(red - green) + 200) / 8)


def encode_streams(path: Path, streams: Sequence[tuple[tuple[int, int], str]]) -> Path:
    """Write a clip of ten frames with several video streams, of a size and a disposition each."""
    rate = Fraction(25)
    with av.open(str(path), "w") as container:
        made = []
        for size, disposition in streams:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            stream.disposition = getattr(Disposition, disposition) if disposition else 0
            made.append((stream, size))
        for index in range(10):
            for stream, size in made:
                frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
        for stream, _ in made:
            container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    for key in ("rate", "time_base"):
        if settings.get(key) is not None:
            settings[key] = Fraction(settings[key])
    if "size" in settings:
        settings["size"] = tuple(settings["size"])
    encode(Path(sys.argv[1]), **settings)
