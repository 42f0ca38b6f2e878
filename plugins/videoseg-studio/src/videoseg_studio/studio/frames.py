"""Frames of a video as JPEG, made when they are asked for and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np

from videoseg.types import Frame, VideoSource

__all__ = ["FramePictures", "encode_jpeg", "read_poster"]

_QUALITY = 82
_SMALL_QUALITY = 70
_SMALL = 320

# What may be long enough for a poster. Others, such as playlists, would have FFmpeg read files
# that they name.
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg"


class FramePictures:
    """JPEG pictures of frames, in a cache of bounded size.

    Args:
        video: The video.
        cache_bytes: The most bytes of pictures that are kept.
    """

    def __init__(self, video: VideoSource, *, cache_bytes: int = 24 * 2**20) -> None:
        self._video = video
        self._limit = cache_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._num_bytes = 0

    def jpeg(self, frame: int, max_width: int = 0) -> bytes:
        """Return one frame as JPEG.

        Args:
            frame: The frame.
            max_width: Larger pictures are made as wide as this; 0 keeps the size.

        Raises:
            VideoError: If there is no such frame or it cannot be decoded.
        """
        key = (frame, max_width)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = encode_jpeg(self._video[frame], max_width)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = picture
                self._num_bytes += len(picture)
            while self._num_bytes > self._limit and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._num_bytes -= len(dropped)
        return picture


def encode_jpeg(frame: Frame, max_width: int = 0) -> bytes:
    """Return an RGB picture, shape (H, W, 3), as JPEG, at most ``max_width`` wide if not 0."""
    import cv2

    height, width = frame.shape[:2]
    quality = _SMALL_QUALITY if 0 < max_width <= _SMALL else _QUALITY
    if 0 < max_width < width:
        size = (max_width, max(1, round(height * max_width / width)))
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def read_poster(path: Path) -> bytes | None:
    """Return the first picture of a video file without reading the file to its end.

    It is shown while the index is built, which takes seconds for a long file.

    Returns:
        A JPEG; None for a folder, a file that cannot be read or refers to others, or a picture
        that would have to be turned.
    """
    import av

    if not path.is_file():
        return None
    try:
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        # The prefix keeps a name with a colon from being taken for a protocol.
        with av.open(f"file:{path}", options=options) as container:
            frame = next(container.decode(video=0))
            if getattr(frame, "rotation", 0):
                return None
            return encode_jpeg(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), 1280)
    # What is wrong with the file is told when it has been opened.
    except (OSError, ValueError, IndexError, StopIteration, av.FFmpegError):
        return None
