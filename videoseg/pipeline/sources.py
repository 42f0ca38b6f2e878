"""What a pipeline asks of a video beside its frames."""

from __future__ import annotations

from videoseg.stages import DecodesInOrder
from videoseg.types import VideoSource

__all__ = ["expect_all_frames", "first_frames_of"]


def expect_all_frames(video: VideoSource) -> None:
    """Tell a video that all of its frames will be read."""
    # Sources of other packages need not be able to make use of it.
    if isinstance(video, DecodesInOrder):
        video.decode_in_order()


def first_frames_of(video: VideoSource, num_frames: int) -> VideoSource:
    """Return the beginning of a live source as a video of its own, held in memory."""
    from videoseg.video import Video

    frames = [frame for _, frame in video.iter_frames(0, num_frames)]
    return Video.from_frames(frames, fps=video.fps, name=video.name)
