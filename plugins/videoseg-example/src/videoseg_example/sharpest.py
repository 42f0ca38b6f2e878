"""A sampler that avoids blurred frames."""

from __future__ import annotations

import itertools

import numpy as np

from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Frame, FrameSelection, VideoSource, Window

__all__ = ["SharpestSampler", "sharpness"]


def sharpness(frame: Frame) -> float:
    """Return how sharp a frame is: the mean squared response of a Laplacian.

    Args:
        frame: RGB, shape (H, W, 3), dtype uint8.

    Returns:
        0 or greater; comparable between frames of one video only.

    Example:
        >>> import numpy as np
        >>> sharpness(np.full((8, 8, 3), 100, np.uint8))
        0.0
    """
    gray = frame.mean(axis=2, dtype=np.float32)
    if min(gray.shape) < 3:
        return 0.0
    laplacian = (
        gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * gray[1:-1, 1:-1]
    )
    return float(np.mean(laplacian**2))


class SharpestSampler:
    """The sharpest frame of each of ``num_frames`` equal parts of the window.

    It leaves the choice of the keyframe to the grounder, unless the grounder asks for one.

    Args:
        num_frames: How many frames to show at most.
        num_candidates: How many frames of each part to compare.

    Raises:
        ConfigError: If a number is not at least 1.
    """

    @checked_options("sampler 'sharpest'")
    def __init__(self, *, num_frames: PositiveInt = 8, num_candidates: PositiveInt = 4) -> None:
        self.num_frames = num_frames
        self.num_candidates = num_candidates

    def sample(
        self,
        video: VideoSource,
        query: str,  # noqa: ARG002 - part of the contract
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,  # noqa: ARG002
    ) -> FrameSelection:
        """Choose the frames; see ``videoseg.stages.FrameSampler.sample``."""
        num_parts = min(self.num_frames, len(window))
        edges = [window.start + part * len(window) // num_parts for part in range(num_parts + 1)]
        chosen = []
        for start, stop in itertools.pairwise(edges):
            candidates = _spread(start, stop, self.num_candidates)
            frames = video.read(candidates)
            # Of equally sharp frames the first is taken, so that the choice is deterministic.
            best = max(range(len(frames)), key=lambda index: (sharpness(frames[index]), -index))
            chosen.append(candidates[best])
        return FrameSelection.of(
            chosen,
            window=window,
            keyframe=keyframe,
            reason=f"The sharpest frame of each of {num_parts} equal parts.",
        )


def _spread(start: int, stop: int, count: int) -> list[int]:
    """Return up to ``count`` indices, evenly spread over [start, stop)."""
    count = min(count, stop - start)
    return [start + (2 * number + 1) * (stop - start) // (2 * count) for number in range(count)]
