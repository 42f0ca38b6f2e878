"""Writing MP4 files that play in browsers and notebooks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from videoseg.errors import ConfigError, OutputError, ShapeError, VideoError
from videoseg.files import expand_path
from videoseg.text import show_path
from videoseg.types import FloatArray, Frame, Size
from videoseg.types.rle import checked_size
from videoseg.types.scalars import real_number, whole_number
from videoseg.video.arrays import rgb_frame
from videoseg.video.container import require_pyav

if TYPE_CHECKING:
    from av.video.stream import VideoStream

__all__ = ["VideoWriter", "write_video"]

# H.264 first: every browser plays it. The others are what a PyAV without x264 may have.
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    # A keyframe every 48 frames makes seeking in a player quick. The next slower preset,
    # veryfast, takes nearly twice the time for files that are 10 to 30 % smaller.
    ("libx264", {"crf": "18", "preset": "superfast", "g": "48"}),
    ("libopenh264", {}),
    ("h264_videotoolbox", {}),
)

# Of x264, when time matters most. Without frames that are predicted from both sides it would take
# another fifth less, for files of 1.5 to 1.9 times the size.
_FAST = {"preset": "ultrafast", "x264-params": "bframes=3:b-adapt=1"}

# The numbers by which the H.264 standard knows the conversion from RGB that is used here.
_BT601 = 6
_LIMITED_RANGE = 1

# Units per second in which the times of frames at a variable rate are kept, as in transport
# streams.
_CLOCK = 90_000

# Seconds by which containers that count in milliseconds blur a constant rate.
_BLUR_SECONDS = 0.0015

# Rates are kept as fractions of this size, so that 29.97... becomes 30000/1001 again.
_MAX_RATE_DENOMINATOR = 1001


class VideoWriter:
    """Writes RGB frames to an H.264 MP4 file.

    The file appears under its name only when it is complete: frames go to a temporary file
    beside it, which ``close`` renames. Leaving the ``with`` block through an error removes
    the temporary file and leaves what was there before.

    Pixels are yuv420p, which needs even sides: a frame of an odd size gets its last row or
    column twice. The index stands at the front, so that a browser can start playing at once.

    Args:
        path: Where to write; the folder is created if necessary. The name should end in ``.mp4``.
        fps: Frames per second. Common fractional rates such as 30000/1001 are kept exactly.
        timestamps: When each frame appears, in seconds from the first, ascending, shape (T,);
            by default every ``1 / fps``. Frames at a variable rate then stay in step with the
            video they were made from, and its sound.
        size: (height, width) of the frames; by default that of the first one.
        quality: Constant rate factor of the encoder: 0 is lossless, 18 looks the same as the
            original, 51 is worst.
        fast: Encode real footage in two thirds of the time, for files that are a quarter to a
            third larger and a little less exact (up to 1.7 dB); with the encoder x264 alone.

    Raises:
        ConfigError: If ``fps``, ``size`` or ``quality`` is out of range, or times do not ascend.
        MissingDependencyError: If PyAV is not installed.
        OutputError: If the file cannot be written or there is no H.264 encoder.

    Example:
        >>> import numpy as np
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "black.mp4"
        >>> with VideoWriter(path, fps=10) as writer:
        ...     writer.write(np.zeros((48, 64, 3), np.uint8))
        >>> path.exists()
        True
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | Fraction,
        *,
        timestamps: FloatArray | None = None,
        size: Size | None = None,
        quality: int = 18,
        fast: bool = False,
    ) -> None:
        self._rate = _exact_rate(fps)
        self._ticks = None if timestamps is None else _ticks(timestamps, self._rate)
        self._time_base = 1 / self._rate if self._ticks is None else Fraction(1, _CLOCK)
        if size is not None:
            size = checked_size(size, "size")
        quality = whole_number(quality, "quality")
        if not 0 <= quality <= 51:
            raise ConfigError(f"quality must be within 0..51, got {quality}")
        require_pyav()
        self._path = expand_path(path)
        # With the process in the name, two writers of one path use different files.
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._size = size
        self._quality = quality
        self._is_fast = fast
        self._container: Any = None
        self._stream: VideoStream | None = None
        self._num_frames = 0
        self._is_closed = False
        if os.path.isdir(self._path):  # noqa: PTH112 -- a name may be too long to be asked about
            raise OutputError(f"{show_path(self._path)} is a folder; give the name of a file")
        with self._report_errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> Path:
        """Where the file appears."""
        return self._path

    @property
    def num_frames(self) -> int:
        """How many frames have been written."""
        return self._num_frames

    def write(self, frame: Frame) -> None:
        """Append one frame.

        Args:
            frame: RGB uint8, shape (H, W, 3); gray and RGBA are taken too, without alpha.

        Raises:
            ShapeError: If it has no shape of a picture, or another one than the frames before.
            VideoError: If the values are not uint8, the writer is closed, or there are more
                frames than timestamps.
            OutputError: If the file cannot be written.
        """
        from av.video.frame import VideoFrame

        if self._is_closed:
            raise self._misuse("is finished; make a new VideoWriter to write more frames")
        picture = rgb_frame(frame, name=f"frame {self._num_frames}")
        height, width = picture.shape[:2]
        if self._size is None:
            self._size = (height, width)
        if (height, width) != self._size:
            raise ShapeError(
                f"frame {self._num_frames}",
                actual=picture.shape,
                expected=f"({self._size[0]}, {self._size[1]}, 3) like the video",
            )
        if self._stream is None:
            self._open(self._size)
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        encoded = VideoFrame.from_ndarray(picture, format="rgb24")
        encoded.pts, encoded.duration = self._time_of(self._num_frames)
        encoded.time_base = self._time_base
        with self._report_errors():
            self._mux(encoded)
        self._num_frames += 1

    def close(self) -> None:
        """Finish the file and give it its name. Closing twice does nothing.

        Raises:
            VideoError: If no frame was written; there is no file then.
            OutputError: If the file cannot be written.
        """
        if self._is_closed:
            return
        if self._container is None:
            self._is_closed = True
            raise self._misuse("was not written: a video needs at least one frame")
        try:
            with self._report_errors():
                self._mux(None)
                self._container.close()
                self._partial.replace(self._path)
        except OutputError:
            self.discard()
            raise
        self._is_closed = True

    def discard(self) -> None:
        """Remove what was written and leave an earlier file at the path as it was."""
        from av.error import FFmpegError

        if self._is_closed:
            return
        self._is_closed = True
        if self._container is not None:
            # The file is about to be removed; it need not be complete.
            with contextlib.suppress(FFmpegError, OSError):
                self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _open(self, size: Size) -> None:
        import av

        height, width = size
        with self._report_errors():
            self._container = av.open(
                f"file:{self._partial}", "w", format="mp4", options={"movflags": "+faststart"}
            )
        name, options = self._encoder(av.codecs_available)
        stream = self._container.add_stream(name, rate=self._rate)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._time_base
        stream.codec_context.time_base = self._time_base
        # Players would otherwise guess, and differently for large pictures.
        stream.codec_context.colorspace = _BT601
        stream.codec_context.color_range = _LIMITED_RANGE
        # A thread of its own for each core gains little here and does not survive a fork.
        stream.codec_context.thread_count = 1
        if name == "libx264":
            options = options | {"crf": str(self._quality)} | (_FAST if self._is_fast else {})
        stream.options = options
        self._stream = stream

    def _time_of(self, index: int) -> tuple[int, int]:
        """Return when a frame appears and for how long, in units of the time base."""
        if self._ticks is None:
            return index, 1
        if index >= len(self._ticks):
            raise self._misuse(
                f"has timestamps for {len(self._ticks)} frames only; give one for every frame"
            )
        if index + 1 < len(self._ticks):
            return self._ticks[index], self._ticks[index + 1] - self._ticks[index]
        return self._ticks[index], max(1, round(_CLOCK / self._rate))

    def _encoder(self, available: set[str]) -> tuple[str, dict[str, str]]:
        for name, options in _ENCODERS:
            if name in available:
                return name, options
        self.discard()
        names = ", ".join(name for name, _ in _ENCODERS)
        raise OutputError(
            f"{show_path(self._path)} cannot be written: this PyAV has no H.264 encoder "
            f'({names}); run: python -m pip install --force-reinstall --only-binary av "av>=17.1"'
        )

    def _mux(self, frame: Any) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(frame))

    @contextlib.contextmanager
    def _report_errors(self) -> Iterator[None]:
        from av.error import FFmpegError

        try:
            yield
        except (FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise OutputError(
                f"{show_path(self._path)} cannot be written ({reason}); check the folder, its "
                "permissions and the free space"
            ) from error

    def _misuse(self, words: str) -> VideoError:
        return VideoError(f"{show_path(self._path)} {words}", path=str(self._path))


def write_video(
    path: str | Path, frames: Iterable[Frame], *, fps: float | Fraction, quality: int = 18
) -> None:
    """Write frames to an H.264 MP4 file; see ``VideoWriter``."""
    with VideoWriter(path, fps, quality=quality) as writer:
        for frame in frames:
            writer.write(frame)


def _ticks(timestamps: FloatArray, rate: Fraction) -> list[int] | None:
    """Return times in units of the clock; None where they are those of the constant rate."""
    try:
        seconds = np.asarray(timestamps, dtype=np.float64)
    except (TypeError, ValueError):
        seconds = np.array(np.nan)
    if seconds.ndim != 1 or not np.isfinite(seconds).all():
        raise ConfigError("timestamps must be finite numbers, one for each frame")
    if np.abs(seconds - np.arange(len(seconds)) / float(rate)).max(initial=0) <= _BLUR_SECONDS:
        return None
    ticks = np.rint((seconds - seconds[:1]) * _CLOCK).astype(np.int64)
    if (np.diff(ticks) <= 0).any():
        raise ConfigError("timestamps must ascend, each at least 1/90000 s after the one before")
    return [int(tick) for tick in ticks]


def _exact_rate(fps: float | Fraction) -> Fraction:
    number = fps if isinstance(fps, Fraction) else real_number(fps, "fps")
    rate = Fraction(number)
    if isinstance(number, float):
        rate = rate.limit_denominator(_MAX_RATE_DENOMINATOR)
        # 29.97 is a way of writing 30000/1001, and so on for 23.976 and 59.94.
        broadcast = Fraction(round(number * 1.001) * 1000, 1001)
        if abs(float(broadcast) - number) < 0.005 and rate.denominator > 2:
            rate = broadcast
    if rate <= 0 or number > 1000:
        raise ConfigError(f"fps must be above 0 and at most 1000, got {fps}")
    return rate
