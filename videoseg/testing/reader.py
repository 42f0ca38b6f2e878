"""The contract of video readers."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from videoseg.errors import VideoError
from videoseg.stages import VideoReader
from videoseg.testing.checks import check, refuses
from videoseg.types import Frame, Size

__all__ = ["ReaderContract"]

_BITS = 6


class ReaderContract:
    """What ``videoseg.stages.VideoReader`` asks for. Subclass it and implement ``make``.

    Every frame of the test clip shows its number as black and white stripes, so that a frame
    returned in place of another is noticed.

    Attributes:
        suffix: The file type that is read.
        sizes: Frame sizes that must work.
    """

    suffix: ClassVar[str] = ".mp4"
    sizes: ClassVar[tuple[Size, ...]] = ((48, 96), (34, 50), (50, 34))

    def make(self, path: Path) -> VideoReader:
        """Open a file."""
        raise NotImplementedError("give your contract test a make(path) that opens the file")

    def write(self, path: Path, frames: list[Frame], fps: float) -> None:
        """Write a file that the reader is to open; an H.264 MP4 unless you override it."""
        from videoseg.video import write_video

        write_video(path, frames, fps=fps)

    def test_is_a_reader(self) -> None:
        with self._clip(3) as reader:
            check(
                isinstance(reader, VideoReader),
                "a reader needs size, timestamps, read, iter_frames and close",
            )

    def test_size_and_times(self) -> None:
        for size in self.sizes:
            with self._clip(8, size=size) as reader:
                check(tuple(reader.size) == size, f"size must be {size}, got {reader.size}")
                times = np.asarray(reader.timestamps, dtype=float)
                check(times.shape == (8,), f"8 frames must have 8 times, got {times.shape}")
                check(abs(float(times[0])) < 1e-6, f"times begin at 0, got {times[0]}")
                wrong = np.abs(times - np.arange(8) / 10).max()
                check(wrong < 0.02, f"frames at 10 per second are {wrong:.3f} s off")

    def test_every_frame_is_the_one_asked_for(self) -> None:
        with self._clip(30) as reader:
            for index in (0, 29, 3, 3, 28, 4, 17, 16, 15, 0):
                self._check_frame(reader.read(index), index, reader.size)

    def test_frames_in_order(self) -> None:
        with self._clip(30) as reader:
            for start, stop in ((0, 30), (7, 19), (29, 30), (12, 12)):
                frames = list(reader.iter_frames(start, stop))
                check(
                    len(frames) == stop - start,
                    f"[{start}, {stop}) has {stop - start} frames, got {len(frames)}",
                )
                for index, frame in enumerate(frames, start=start):
                    self._check_frame(frame, index, reader.size)

    def test_reading_between_two_steps_of_an_iteration(self) -> None:
        with self._clip(20) as reader:
            count = 0
            for index, frame in enumerate(reader.iter_frames(0, 20)):
                self._check_frame(frame, index, reader.size)
                self._check_frame(reader.read(19 - index), 19 - index, reader.size)
                count += 1
            check(count == 20, f"read() in between ended an iteration after {count} of 20 frames")

    def test_an_iteration_may_be_left(self) -> None:
        with self._clip(20) as reader:
            next(iter(reader.iter_frames(5, 20)))
            self._check_frame(reader.read(2), 2, reader.size)

    def test_both_ways_give_the_same_pixels(self) -> None:
        with self._clip(12) as reader:
            played = list(reader.iter_frames(0, 12))
            for index in (11, 5, 0):
                check(
                    np.array_equal(reader.read(index), played[index]),
                    f"frame {index} differs between read() and iter_frames()",
                )

    def test_one_frame(self) -> None:
        with self._clip(1) as reader:
            check(len(reader.timestamps) == 1, "a file of one frame has one time")
            self._check_frame(reader.read(0), 0, reader.size)

    def test_refuses_frames_that_do_not_exist(self) -> None:
        with self._clip(5) as reader, refuses(VideoError, "frame 5 of 5"):
            reader.read(5)

    def test_refuses_files_that_are_no_videos(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            missing = Path(folder, f"missing{self.suffix}")
            empty = Path(folder, f"empty{self.suffix}")
            empty.touch()
            noise = Path(folder, f"noise{self.suffix}")
            noise.write_bytes(np.random.default_rng(0).bytes(4000))
            for what, path in (
                ("a missing file", missing),
                ("an empty file", empty),
                ("a file of random bytes", noise),
            ):
                with refuses(VideoError, what), closing(self.make(path)) as reader:
                    for index in range(len(reader.timestamps)):
                        reader.read(index)

    def test_close_may_be_called_twice(self) -> None:
        with self._clip(3) as reader:
            reader.read(1)
            reader.close()
            reader.close()

    @contextmanager
    def _clip(self, num_frames: int, *, size: Size | None = None) -> Iterator[VideoReader]:
        size = size or self.sizes[0]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"clip{self.suffix}")
            self.write(path, [_draw_number(index, size) for index in range(num_frames)], 10)
            with closing(self.make(path)) as reader:
                yield reader

    def _check_frame(self, frame: Frame, index: int, size: Size) -> None:
        check(
            isinstance(frame, np.ndarray) and frame.dtype == np.uint8,
            "a frame must be an array of uint8",
        )
        check(
            frame.shape == (*size, 3),
            f"frame {index} must have shape {(*size, 3)}, got {frame.shape}",
        )
        number = _read_number(frame)
        check(number == index, f"asked for frame {index}, got frame {number}")
        # Red above and blue below, so that channels in another order are noticed.
        height = size[0]
        red, blue = frame[height // 3, -3], frame[-3, -3]
        check(
            int(red[0]) > int(red[2]) + 60 and int(blue[2]) > int(blue[0]) + 60,
            "frames must be RGB in this order of channels",
        )


def _draw_number(index: int, size: Size) -> Frame:
    height, width = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, -8:] = (200, 30, 30)
    frame[height // 2 :, -8:] = (30, 30, 200)
    stripe = (width - 8) // _BITS
    for bit in range(_BITS):
        if index >> bit & 1:
            frame[:, bit * stripe : (bit + 1) * stripe] = 255
    return frame


def _read_number(frame: Frame) -> int:
    height, width = frame.shape[:2]
    stripe = (width - 8) // _BITS
    number = 0
    for bit in range(_BITS):
        part = frame[height // 4 : -height // 4, bit * stripe + 1 : (bit + 1) * stripe - 1]
        number |= int(float(part.mean()) > 127) << bit
    return number
