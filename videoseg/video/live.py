"""Live sources: a camera or a network stream, read as its frames arrive."""

from __future__ import annotations

import errno
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from videoseg.errors import ConfigError, VideoError
from videoseg.text import printable, shorten_text
from videoseg.types import Frame, Size
from videoseg.types.scalars import real_number, whole_number
from videoseg.video.arrays import DEFAULT_FPS
from videoseg.video.container import require_pyav
from videoseg.video.part import fitted_size

__all__ = ["LiveFrames", "is_live_source"]

_logger = logging.getLogger(__name__)

_SCHEMES = ("http", "https", "rtsp", "rtsps")
_CAMERA = re.compile(r"\d{1,3}")

# What a stream or its playlist may make FFmpeg open; no files of this machine.
_PROTOCOLS = "http,https,tcp,udp,rtp,rtsp,rtsps,tls,crypto"

# The number of PyAV's error after its timeout: FFmpeg's AVERROR_EXIT.
_TIME_IS_UP = int.from_bytes(b"EXIT", "little")

# Frames between the thread that reads and the pipeline: what a hiccup of it may take.
_MAX_WAITING = 8

# How many times of frames are kept.
_MAX_TIMES = 10_000

# A pause in a source longer than this many seconds is a jump of its clock, and not waited for.
_LONGEST_PAUSE = 2.0


def is_live_source(source: str) -> bool:
    """Return whether a text names a camera (``0``) or the address of a stream.

    Example:
        >>> is_live_source("0"), is_live_source("rtsp://host/stream"), is_live_source("a.mp4")
        (True, True, False)
    """
    return bool(_CAMERA.fullmatch(source)) or source.partition("://")[0].lower() in _SCHEMES


class LiveFrames:
    """The frames of a live source, at the pace of its clock, in bounded memory.

    A thread reads them. If they are not taken as fast as they come, the oldest that wait are
    dropped, so that what is seen stays recent; ``num_dropped`` counts them. Iterate over it once,
    in a pipeline's ``stream``, and close it.

    Args:
        source: A camera by its number (``0``), or an address: http, https, rtsp.
        every: Take only every so many frames.
        max_side: Scale frames down to this longer side; None keeps the size.
        seconds: End after this time of the source; None for no end.
        timeout: Seconds without a frame after which the source has failed.

    Attributes:
        name: A short name, without the user and password of an address.
        size: (height, width) of the source's frames, before they are scaled.
        fps: Frames per second of the frames taken, as far as the source tells.
        num_dropped: How many frames were dropped so far.
        is_time_over: Whether ``seconds`` are over; False if the source ended before.

    Raises:
        ConfigError: If an argument is out of range, or the source is neither.
        VideoError: If it cannot be opened, or has no video.
    """

    def __init__(
        self,
        source: str,
        *,
        every: int = 1,
        max_side: int | None = None,
        seconds: float | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._every = whole_number(every, "every", least=1)
        self._seconds = None if seconds is None else real_number(seconds, "seconds")
        self._timeout = real_number(timeout, "timeout")
        if not is_live_source(source):
            raise ConfigError(
                f"{shorten_text(printable(source), 200)} is not a live source; give the number of "
                f"a camera, such as 0, or an address ({', '.join(_SCHEMES)})"
            )
        is_camera = "://" not in source
        self.name = f"camera {source}" if is_camera else _name_of(source)
        self._source: _Source = (
            _Camera(int(source), self.name)
            if is_camera
            else _Stream(source, self.name, self._timeout)
        )
        self.size: Size = self._source.size
        self.fps = self._source.fps / self._every
        self._scaled_size = fitted_size(self.size, max_side)
        self.num_dropped = 0
        self.is_time_over = False
        self._times: dict[int, float] = {}
        self._num_taken = 0
        self._waiting: queue.Queue[tuple[Frame, float] | BaseException | None]
        self._waiting = queue.Queue(_MAX_WAITING + 1)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="videoseg-live", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Return the next frame, RGB uint8.

        Raises:
            VideoError: If the source failed.
        """
        while not self._is_closed.is_set():
            try:
                item = self._waiting.get(timeout=self._timeout)
            except queue.Empty:
                raise VideoError(
                    f"no frame came from {self.name} for {self._timeout:g} s"
                ) from None
            if item is None:
                break
            if isinstance(item, BaseException):
                raise item
            frame, self._times[self._num_taken] = item
            self._times.pop(self._num_taken - _MAX_TIMES, None)
            self._num_taken += 1
            return self._scaled(frame)
        raise StopIteration

    def time_of(self, index: int) -> float:
        """Return when a frame came by the source's clock, in seconds from the first.

        Args:
            index: The index of the frame among those taken; one of the last 10,000.

        Raises:
            VideoError: If it is not one of them.
        """
        if index not in self._times:
            raise VideoError(f"the time of frame {index} of {self.name} is not known any more")
        return self._times[index]

    def close(self) -> None:
        """Stop reading. Closing twice does nothing."""
        self._is_closed.set()
        # The thread may wait for a frame that never comes; it then ends with the process.
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def __enter__(self) -> LiveFrames:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # -- the thread ------------------------------------------------------------------------

    def _read(self) -> None:
        last: BaseException | None = None
        try:
            self._read_all()
        except VideoError as error:
            last = error
        except Exception as error:
            reason = _reason_of(error, self._timeout)
            last = VideoError(f"{self.name} cannot be read any more ({reason})")
        finally:
            with suppress(Exception):
                self._source.close()
            self._put(last)

    def _read_all(self) -> None:
        begin: tuple[float, float] | None = None
        before = 0.0
        for number, (take, seconds) in enumerate(self._source.frames()):
            if self._is_closed.is_set():
                return
            now = time.monotonic()
            if begin is None or not 0 <= seconds - before <= _LONGEST_PAUSE:
                # The first frame, or the source's clock has jumped.
                offset = 0.0 if begin is None else now - begin[0]
                begin = (now - offset, seconds - offset)
            before = seconds
            elapsed = seconds - begin[1]
            if self._seconds is not None and elapsed >= self._seconds:
                self.is_time_over = True
                return
            if number % self._every:
                continue
            # A file on a server comes faster than it plays.
            self._is_closed.wait(max(0.0, begin[0] + elapsed - now))
            self._put((take(), elapsed))

    def _put(self, item: tuple[Frame, float] | BaseException | None) -> None:
        while isinstance(item, tuple) and self._waiting.qsize() >= _MAX_WAITING:
            with suppress(queue.Empty):
                self._waiting.get_nowait()
                self.num_dropped += 1
                if self.num_dropped == 1:
                    _logger.info("%s is faster than the pipeline; frames are dropped", self.name)
        self._waiting.put(item)

    def _scaled(self, frame: Frame) -> Frame:
        if self._scaled_size == self.size:
            return frame
        import cv2

        height, width = self._scaled_size
        return np.asarray(
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )


class _Source:
    """What yields frames: functions that return the picture, with the times of the source."""

    size: Size
    fps: float

    def frames(self) -> Iterator[tuple[Callable[[], Frame], float]]:
        """Yield a function that returns the frame, and its time in seconds."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the device or the connection."""


class _Camera(_Source):
    def __init__(self, number: int, name: str) -> None:
        import cv2

        self._name = name
        # OpenCV writes its attempts to standard error.
        log: Any = cv2
        level = log.getLogLevel()
        log.setLogLevel(0)
        try:
            self._capture = cv2.VideoCapture(number)
        finally:
            log.setLogLevel(level)
        if not self._capture.isOpened():
            raise VideoError(
                f"{name} cannot be opened; check that it is connected, that no other program uses "
                "it, and that this one may"
            )
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.size = (height, width)
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or DEFAULT_FPS

    def frames(self) -> Iterator[tuple[Callable[[], Frame], float]]:
        import cv2

        begin = time.monotonic()
        while True:
            is_read, picture = self._capture.read()
            if not is_read:
                raise VideoError(f"{self._name} gives no more frames")

            def take(picture: Any = picture) -> Frame:
                return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

            yield take, time.monotonic() - begin

    def close(self) -> None:
        self._capture.release()


class _Stream(_Source):
    def __init__(self, address: str, name: str, timeout: float) -> None:
        require_pyav()
        import av
        from av.error import FFmpegError

        options = {"protocol_whitelist": _PROTOCOLS}
        if address.lower().startswith("rtsp"):
            # Over UDP, frames of a busy network arrive with holes.
            options["rtsp_transport"] = "tcp"
        self._name = name
        try:
            self._container = av.open(address, options=options, timeout=(timeout, timeout))
        except (FFmpegError, OSError, ValueError) as error:
            reason = _reason_of(error, timeout)
            raise VideoError(
                f"{name} cannot be opened ({reason}); check the address, and that the source is on"
            ) from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f"{name} has no video")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        self.size = (context.height, context.width)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else DEFAULT_FPS
        if not 0.1 <= self.fps <= 240:
            # Streams often tell the rate of their clock.
            self.fps = DEFAULT_FPS
        if min(self.size) < 1:
            self._container.close()
            raise VideoError(f"{name} does not tell the size of its frames")

    def frames(self) -> Iterator[tuple[Callable[[], Frame], float]]:
        height, width = self.size
        for number, frame in enumerate(self._decoded()):
            seconds = frame.time if frame.time is not None else number / self.fps

            def take(frame: Any = frame) -> Frame:
                picture = frame.to_ndarray(format="rgb24", width=width, height=height)
                return np.asarray(picture, np.uint8)

            yield take, float(seconds)

    def _decoded(self) -> Iterator[Any]:
        num_read = 0
        try:
            for frame in self._container.decode(self._stream):
                num_read += 1
                yield frame
        except OSError as error:
            # How motion JPEG ends: the server just closes the connection.
            if error.errno != errno.EIO or num_read == 0:
                raise
            _logger.info("%s has closed the connection", self._name)

    def close(self) -> None:
        self._container.close()


def _reason_of(error: Exception, timeout: float) -> str:
    """Return a reason without the address, which may hold a password."""
    if getattr(error, "errno", None) == _TIME_IS_UP:
        return f"it has sent nothing for {timeout:g} s"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return shorten_text(printable(str(reason)), 200)


def _name_of(address: str) -> str:
    """Return an address without user and password, and without its query, which may hold keys."""
    try:
        parts = urlsplit(address)
        place = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        raise ConfigError(
            f"{shorten_text(printable(address.partition('://')[0]), 20)}://... is not a valid "
            "address"
        ) from None
    return shorten_text(printable(f"{parts.scheme}://{place}{parts.path}"), 200)
