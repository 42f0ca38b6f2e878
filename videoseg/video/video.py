"""``Video``: frames by index, decoded on demand, from any source of frames."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, SupportsIndex, cast, overload

import numpy as np
import numpy.typing as npt

from videoseg.errors import VideoError
from videoseg.types import FloatArray, Frame, Size, VideoFacts, VideoPart
from videoseg.video.arrays import DEFAULT_FPS, ArrayReader, varying_times
from videoseg.video.frame_store import FrameStore
from videoseg.video.iterators import IteratorReader, LiveReader, SpoolReader
from videoseg.video.part import PartReader, Place, choose_part, store_of_part
from videoseg.video.sources import checked_fps, open_path

__all__ = ["DEFAULT_CACHE_BYTES", "DEFAULT_FPS", "Video"]

DEFAULT_CACHE_BYTES = 256 * 2**20
"""Bound on the decoded frames a video holds: 218 frames of 854x480."""


class Video:
    """A video as the stages see it: RGB frames by index, decoded lazily.

    Make one with ``open``, ``from_frames`` or ``from_iterator`` and close it, or use it as
    a context manager. Frames are read-only because they are shared; copy one to draw in it.

    ``video[i]`` is a frame. A slice of a video is a video: a view that shares the decoder
    and the cache and decodes nothing by itself. In a view indices begin at 0 and times at
    the view's first frame; ``offset`` and ``time_offset`` say where that lies in the whole
    video. Closing a view does nothing; closing the whole video closes its views.

    A video may be used from several threads, sent to another process (files and arrays)
    and used after a fork: every process opens the file for itself.

    Example:
        >>> import numpy as np
        >>> video = Video.from_frames(np.zeros((10, 48, 64, 3), np.uint8), fps=4)
        >>> len(video), video[-1].shape, video.window(4, 8).time_of(1)
        (10, (48, 64, 3), 0.25)
    """

    def __init__(self, store: FrameStore, *, indices: range | None = None) -> None:
        """Wrap an open store; use ``open`` and the ``from_`` methods instead."""
        self._store = store
        self._indices = indices

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        reader: str = "auto",
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        fps: float | None = None,
    ) -> Video:
        """Open a video file, a folder of pictures, one picture or a list of pictures.

        Args:
            path: The file or folder. Pictures in a folder are taken in natural order:
                ``2.png`` before ``10.png``. A list of files gives the pictures in its own
                order. A file with several pictures (animated WebP or PNG, TIFF with pages)
                is a video of them.
            reader: How to decode a video file: ``auto`` (PyAV), ``pyav``, ``decord`` (an
                extra, see ``videoseg[decord]``) or the name of a registered reader.
            cache_bytes: Bound on the decoded frames held in memory. A pass that goes backwards
                holds up to 128 MiB more while it lasts.
            fps: Frames per second, replacing what the file says; pictures have 24 unless
                it is given.

        Raises:
            VideoError: If it does not exist or cannot be read.
            MissingDependencyError: If the reader needs a package that is not installed.
            ComponentNotFoundError: If there is no reader of this name.
            ConfigError: If ``fps`` or ``cache_bytes`` is out of range.
        """
        return cls(open_path(path, reader=reader, cache_bytes=cache_bytes, fps=fps))

    @classmethod
    def from_frames(
        cls,
        frames: npt.NDArray[Any] | Sequence[Any],
        *,
        fps: float | None = None,
        name: str = "frames",
    ) -> Video:
        """Make a video of pictures in memory, without copying those that are RGB already.

        Args:
            frames: uint8, shape (T, H, W, 3), (T, H, W, 4) or (T, H, W), or a sequence of
                pictures of one size. Alpha is ignored.
            fps: Frames per second; 24 unless it is given.
            name: A short name.

        Raises:
            ShapeError: If a shape does not fit or pictures differ in size.
            VideoError: If there is no frame or the values are not uint8.
        """
        rate = checked_fps(fps) or DEFAULT_FPS
        reader = ArrayReader(frames, fps=rate)
        return cls(FrameStore(name, reader_name="frames", reader=reader, fps=rate))

    @classmethod
    def from_iterator(
        cls,
        frames: Iterable[Any],
        *,
        fps: float | None = None,
        name: str = "iterator",
        live: bool = False,
        live_buffer: int = 0,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> Video:
        """Make a video of pictures that arrive one after another.

        The first picture is taken immediately, the others when they are needed.

        Args:
            frames: Yields pictures of one size, uint8: (H, W, 3), (H, W, 4) or (H, W).
            fps: Frames per second; 24 unless it is given.
            name: A short name.
            live: False for an iterator that ends: every frame stays readable, beyond
                ``cache_bytes`` from a temporary file, and asking for the number of frames
                consumes the iterator. True for a source that may never end: only the
                latest frames are held and ``num_frames`` is None until it ends.
            live_buffer: How many of the latest frames of a live source are held, even if
                they take more than ``cache_bytes``.
            cache_bytes: Bound on the frames held in memory.

        Raises:
            ShapeError: If a shape does not fit.
            VideoError: If there is no frame or the values are not uint8.
        """
        rate = checked_fps(fps) or DEFAULT_FPS
        reader: IteratorReader
        if live:
            reader = LiveReader(frames, fps=rate, memory_bytes=cache_bytes, min_frames=live_buffer)
        else:
            reader = SpoolReader(frames, fps=rate, memory_bytes=cache_bytes)
        return cls(FrameStore(name, reader_name=reader.kind, reader=reader, fps=rate))

    @property
    def name(self) -> str:
        """A short name for messages and result folders."""
        return self._store.name

    @property
    def path(self) -> str | None:
        """Where the video is read from, absolute; None for frames in memory and lists of files."""
        return self._store.path

    @property
    def size(self) -> Size:
        """(height, width) of every frame."""
        return self._store.size

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a source that can be read in spite of them, one sentence each."""
        return self._store.warnings

    @property
    def offset(self) -> int:
        """The index in the whole video of this view's first frame; 0 for a whole video."""
        return self._indices.start if self._indices is not None else 0

    @property
    def time_offset(self) -> float:
        """The time in the whole video of this view's first frame, in seconds."""
        return self._store.time_of(self.offset)

    @property
    def is_live(self) -> bool:
        """Whether the video is a live source that has not ended."""
        reader = self._store.reader()
        return self._indices is None and isinstance(reader, LiveReader) and not reader.ended

    @property
    def num_frames(self) -> int | None:
        """Number of frames, or None while a live source has not ended."""
        return None if self.is_live else len(self._range())

    @property
    def fps(self) -> float:
        """Average frames per second."""
        rate = self._store.fps
        return rate / abs(self._indices.step) if self._indices is not None else rate

    @property
    def duration(self) -> float:
        """Seconds from the start of the first frame to the end of the last.

        Raises:
            VideoError: If the source is live and has not ended.
        """
        return self.time_of(len(self) - 1) + 1.0 / self.fps

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every frame in seconds from the first, shape (T,).

        Of a live source, the frames that have arrived so far.
        """
        times = self._store.timestamps
        if self._indices is None:
            return times
        times = times[np.asarray(self._indices, dtype=np.int64)]
        shifted: FloatArray = np.abs(times - times[0])
        return shifted

    def __len__(self) -> int:
        """Return the number of frames.

        Raises:
            VideoError: If the source is live and has not ended.
        """
        if self.is_live:
            raise VideoError(
                f"{self.name} is a live source that has not ended, its number of frames is not "
                "known; read it with iter_frames()",
                reader=self._store.reader_name,
            )
        return len(self._range())

    def __repr__(self) -> str:
        height, width = self.size
        if self._store.is_closed:
            return f"Video({self.name!r}, {width}x{height}, closed)"
        # Showing a video must not consume what it comes from.
        reader = self._store.reader()
        if self._indices is None and isinstance(reader, IteratorReader):
            count = f"{reader.num_frames_seen} frames so far"
        else:
            count = f"{len(self)} frames"
        return f"Video({self.name!r}, {width}x{height}, {count}, {self.fps:.6g} fps)"

    @overload
    def __getitem__(self, index: SupportsIndex) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> Video: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Frame | Video:
        """Return one frame, shape (H, W, 3), RGB uint8, or a view for a slice.

        Negative indices count from the end. A slice may have any step; an empty one is an
        error, because a video has at least one frame.

        Raises:
            VideoError: If there is no such frame or it cannot be decoded.
        """
        if isinstance(index, slice):
            return self._view(self._sliced(index), f"[{index.start}:{index.stop}:{index.step}]")
        return self._store.read(self._base_index(operator.index(index)))

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame in order."""
        for _, frame in self.iter_frames():
            yield frame

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return several frames, in the order asked for; each is decoded once.

        Raises:
            VideoError: If there is no such frame or it cannot be decoded.
        """
        base = [self._base_index(operator.index(index)) for index in indices]
        # In ascending order a decoder plays on instead of seeking.
        frames = {index: self._store.read(index) for index in sorted(set(base))}
        return [frames[index] for index in base]

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) over [start, stop), or from stop - 1 down to start.

        Args:
            start: First index; negative counts from the end.
            stop: One past the last index; None for the end, beyond the end is the end.
            reverse: Go backwards. Frames are decoded in groups, each once, as far as the
                memory bound allows.

        Raises:
            VideoError: If a frame cannot be decoded, or a live source is to be read
                backwards before it has ended.
        """
        reader = self._store.reader()
        from_the_start = start >= 0 and (stop is None or stop >= 0) and not reverse
        if self._indices is None and isinstance(reader, IteratorReader) and from_the_start:
            index = start
            while (stop is None or index < stop) and reader.has(index):
                yield index, self._store.read(index)
                index += 1
            return
        indices = range(len(self))[start:stop]
        base = self._range()[start:stop]
        if reverse:
            indices, base = indices[::-1], base[::-1]
        if not base:
            return
        in_turn = base.step in (1, -1)
        frames = self._store.iterate(base) if in_turn else map(self._store.read, base)
        yield from zip(indices, frames, strict=True)

    def window(self, start: int, stop: int | None = None) -> Video:
        """Return a view of the frames [start, stop), sharing the decoder and the cache.

        Raises:
            VideoError: If the range is empty or reaches outside the video.
        """
        if self.is_live:
            if stop is None or start < 0 or stop <= start:
                raise VideoError(
                    f"a window of a live source needs 0 <= start < stop, got [{start}, {stop})",
                    reader=self._store.reader_name,
                )
            return Video(self._store, indices=range(start, stop))
        end = len(self) if stop is None else stop
        if not 0 <= start < end <= len(self):
            raise VideoError(
                f"window [{start}, {end}) does not fit {self.name}: it needs "
                f"0 <= start < stop <= {len(self)}",
                path=self.path,
            )
        return self._view(self._range()[start:end], f"[{start}, {end})")

    def part(
        self,
        start: Place | None = None,
        end: Place | None = None,
        *,
        every: int = 1,
        max_side: int | None = None,
    ) -> Video:
        """Return a part of this video to ask about, whose answers are those of this video.

        The stages of a pipeline see the part only: fewer frames, smaller pictures. What goes
        into the pipeline and what comes out (prompts, frame numbers, boxes, masks) is in frames
        and pixels of this video, at its size; frames outside of the part have no masks. A slice
        of a video, on the other hand, is a video of its own, and so are its results.

        Args:
            start: Where it begins: seconds (``12.5``, ``"1:02.5"``) or a frame (``"300f"``);
                None for the first frame.
            end: Where it ends, itself not included; None, or behind the last frame, for the
                end of the video.
            every: Only every so many frames, beginning with the first of the part.
            max_side: Scale frames down so that their longer side has at most so many pixels;
                None keeps the size. Smaller frames are never enlarged.

        Raises:
            ConfigError: If an argument is of another form.
            VideoError: If no frame lies there, or the source is live.

        Example:
            >>> import numpy as np
            >>> video = Video.from_frames(np.zeros((50, 90, 160, 3), np.uint8), fps=10)
            >>> part = video.part(1, "30f", every=5, max_side=80)
            >>> len(part), part.size, list(part.part_of_whole.frames)
            (4, (45, 80), [10, 15, 20, 25])
        """
        chosen = choose_part(self, start, end, every=every, max_side=max_side)
        return Video(store_of_part(self, chosen, cache_bytes=DEFAULT_CACHE_BYTES))

    @property
    def whole(self) -> Video:
        """The video that this is a part of, see ``part``; for any other, the video itself."""
        reader = self._part_reader()
        return self if reader is None else cast(Video, reader.whole)

    @property
    def part_of_whole(self) -> VideoPart | None:
        """Which frames of ``whole`` this part has, and its size; None if it is no part."""
        reader = self._part_reader()
        return None if reader is None else reader.part

    def _part_reader(self) -> PartReader | None:
        reader = self._store.reader()
        return reader if self._indices is None and isinstance(reader, PartReader) else None

    def time_of(self, index: int) -> float:
        """Return the time of one frame in seconds from the first.

        Raises:
            VideoError: If there is no such frame.
        """
        time = self._store.time_of(self._base_index(operator.index(index)))
        return abs(time - self.time_offset)

    def frame_at(self, seconds: float) -> int:
        """Return the index of the frame that is shown at a time.

        Args:
            seconds: Time from the first frame. Times before the first frame give the first,
                times after the last give the last.

        Raises:
            VideoError: If the time is not finite.
        """
        if not math.isfinite(seconds):
            raise VideoError(f"a time in seconds must be finite, got {seconds}", path=self.path)
        times = self.timestamps
        # Times are sums of fractions; a microsecond of tolerance covers their rounding.
        index = int(np.searchsorted(times, seconds + 1e-6, side="right")) - 1
        return min(max(index, 0), len(times) - 1)

    def decode_in_order(self) -> None:
        """Announce that all frames will be needed, in any order. Pipelines call it.

        If they fit into ``cache_bytes``, each is then decoded once, in order, by a thread that
        begins at once, and all are kept. Otherwise, and for a view, which needs only its own
        frames, nothing changes.
        """
        if self._indices is None:
            self._store.decode_in_order()

    def facts(self) -> VideoFacts:
        """Return what a result records about this video.

        Raises:
            VideoError: If the source is live and has not ended.
        """
        return VideoFacts(
            name=self.name,
            path=self.path,
            num_frames=len(self),
            size=self.size,
            fps=self.fps,
            duration=self.duration,
            reader=self._store.reader_name,
            timestamps=varying_times(self.timestamps, self.fps),
        )

    def close(self) -> None:
        """Release the decoder and the cache. Closing a view or closing twice does nothing."""
        if self._indices is None:
            self._store.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _range(self) -> range:
        """Return the indices of this video's frames in the whole video."""
        if self._indices is not None:
            return self._indices
        return range(self._store.num_frames)

    def _sliced(self, part: slice) -> range:
        if self._indices is not None:
            return self._indices[part]
        reader = self._store.reader()
        start = 0 if part.start is None else operator.index(part.start)
        if isinstance(reader, IteratorReader) and part.stop is not None and start >= 0:
            # A part with known ends does not depend on the frames behind it.
            stop = operator.index(part.stop)
            if stop > 0 and (self.is_live or reader.has(stop - 1)):
                return range(stop)[part]
        return range(len(self))[part]

    def _view(self, indices: range, words: str) -> Video:
        if not indices:
            raise VideoError(
                f"{words} is empty in {self.name}, which has {len(self)} frames; "
                "a video needs at least one",
                path=self.path,
            )
        return Video(self._store, indices=indices)

    def _base_index(self, index: int) -> int:
        """Return the index in the whole video of one of this video's frames."""
        reader = self._store.reader()
        if self._indices is None and isinstance(reader, IteratorReader) and index >= 0:
            # The reader waits for the frame and raises an error if there is none.
            return index
        indices = self._range() if index >= 0 else range(len(self)) and self._range()
        try:
            return indices[index]
        except IndexError:
            count = len(indices)
            raise VideoError(
                f"{self.name} has no frame {index}: it has {count}, from 0 to {count - 1}",
                path=self.path,
                frame=index,
                reader=self._store.reader_name,
            ) from None
