"""``stream_clip``: long synthetic videos whose memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from videoseg.errors import ObjectNotFoundError, VideoError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import BoolArray, FloatArray, Frame, Size, VideoFacts
from videoseg_synthetic.clip import ClipSize, SyntheticClip, make_clip
from videoseg_synthetic.plan import Camera
from videoseg_synthetic.reference import SyntheticQuery

__all__ = ["SyntheticStream", "stream_clip"]

_LAP = 192
"""Frames of the clip that a stream repeats back and forth."""


class SyntheticStream:
    """A long video, drawn frame by frame: a clip that is repeated back and forth.

    It is a ``VideoSource``, accepted by any stage. Only the labels of the clip are in memory.

    Args:
        clip: The clip.
        num_frames: Number of frames of the stream.
    """

    def __init__(self, clip: SyntheticClip, num_frames: int) -> None:
        self._clip = clip
        self._num_frames = num_frames

    @property
    def clip(self) -> SyntheticClip:
        """The clip that is repeated back and forth."""
        return self._clip

    @property
    def queries(self) -> tuple[SyntheticQuery, ...]:
        """The clip's queries about color and size, whose answers do not depend on time."""
        return tuple(
            query for query in self._clip.queries if query.kind in ("color", "largest", "smallest")
        )

    @property
    def name(self) -> str:
        """A short name."""
        return f"{self._clip.name}-stream"

    @property
    def size(self) -> Size:
        """(height, width) of every frame."""
        return self._clip.size

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._clip.fps

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self._num_frames

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every frame in seconds from the first, shape (T,)."""
        times: FloatArray = np.arange(self._num_frames) / self.fps
        return times

    def __len__(self) -> int:
        return self._num_frames

    def __iter__(self) -> Iterator[Frame]:
        return (frame for _, frame in self.iter_frames())

    def __getitem__(self, index: int) -> Frame:
        index = self._index(index)
        return self._clip.render(self._clip_frame(index), noise_index=index)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return several frames, in the order asked for."""
        return [self[index] for index in indices]

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) over [start, stop), or from stop - 1 down to start."""
        order = range(start, self._num_frames if stop is None else stop)
        for index in reversed(order) if reverse else order:
            yield index, self[index]

    def time_of(self, index: int) -> float:
        """Return the presentation time of one frame in seconds."""
        return self._index(index) / self.fps

    def facts(self) -> VideoFacts:
        """Return what a result records about this video."""
        return VideoFacts(
            self.name,
            None,
            self._num_frames,
            self.size,
            self.fps,
            self._num_frames / self.fps,
            "synthetic",
        )

    def labels_at(self, index: int) -> Frame:
        """Return the object id of each pixel of one frame, shape (H, W)."""
        labels: Frame = self._clip.labels[self._clip_frame(self._index(index))]
        return labels

    def mask_at(self, index: int, object_id: int) -> BoolArray:
        """Return the visible mask of one object on one frame, shape (H, W).

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        if object_id not in self._clip.object_ids:
            raise ObjectNotFoundError(
                f"there is no object {object_id}; the objects are {list(self._clip.object_ids)}"
            )
        return np.asarray(self.labels_at(index) == object_id)

    def _clip_frame(self, index: int) -> int:
        last = self._clip.num_frames - 1
        if last == 0:
            return 0
        within = index % (2 * last)
        return min(within, 2 * last - within)

    def _index(self, index: int) -> int:
        actual = index + self._num_frames if index < 0 else index
        if not 0 <= actual < self._num_frames:
            raise VideoError(
                f"there is no frame {index} in a stream of {self._num_frames} frames", frame=index
            )
        return actual


@checked_options("stream_clip")
def stream_clip(
    num_frames: PositiveInt = 10_000,
    *,
    seed: int = 0,
    size: ClipSize = (240, 320),
    fps: float = 12.0,
    num_objects: int | None = None,
    camera: Camera | None = None,
    noise: float | None = None,
) -> SyntheticStream:
    """Make a long video whose memory does not grow with its length.

    Args:
        num_frames: Number of frames, at least 1.
        seed: Any whole number from 0.
        size: (height, width), each at least 64.
        fps: Frames per second.
        num_objects: From 1 to 12; by default 3 to 5.
        camera: ``still``, ``pan`` or ``shake``; by default any of them.
        noise: Standard deviation of the sensor noise in gray levels.

    Raises:
        ConfigError: If an argument is out of range.

    Example:
        >>> stream = stream_clip(5_000, seed=1, size=(64, 96))
        >>> stream[4_999].shape, stream.mask_at(4_999, 1).shape
        ((64, 96, 3), (64, 96))
    """
    clip = make_clip(
        seed=seed,
        num_frames=min(num_frames, _LAP),
        size=size,
        fps=fps,
        num_objects=num_objects,
        camera=camera,
        noise=noise,
    )
    return SyntheticStream(clip, num_frames)
