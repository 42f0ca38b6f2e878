"""Videos for editors: the masks as a matte, the objects cut out, the background blurred."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from videoseg.results.exports.job import ExportJob
from videoseg.results.overlay import clip_rate
from videoseg.types import BoolArray, Frame

__all__ = ["export_matte"]

# The green of chroma keying.
_BACKGROUND = (0, 177, 64)

# Strength of the blur, as a share of the longer side.
_BLUR = 0.02

_FILES = ("alpha.mp4", "cutout.mp4", "blur.mp4")


def export_matte(job: ExportJob) -> Path:
    """Write ``alpha.mp4``, ``cutout.mp4`` and ``blur.mp4`` to ``<sequence>``.

    ``alpha`` is white on the objects and black elsewhere, which editors take as a luma matte.
    ``cutout`` has the objects on green, ``blur`` on the blurred frame. All three keep the times
    of the video's frames.
    """
    from videoseg.video import VideoWriter

    video = job.require_video("a matte")
    fps, times = clip_rate(job.facts, video, job.segmentation.frames)
    folder = job.root / job.sequence
    with job.folder(folder, [".mp4"]) as (stage, tell), ExitStack() as stack:
        writers = [
            stack.enter_context(VideoWriter(stage / name, fps, timestamps=times))
            for name in _FILES
        ]
        for frame in job.segmentation.frames:
            pictures = _draw(video[frame], job.segmentation.mask(frame))
            for writer, picture in zip(writers, pictures, strict=True):
                writer.write(picture)
            tell(frame + 1)
    return folder


def _draw(frame: Frame, mask: BoolArray) -> tuple[Frame, Frame, Frame]:
    import cv2

    inside = mask[..., None]
    alpha = np.repeat(np.where(inside, np.uint8(255), np.uint8(0)), 3, axis=2)
    cutout = np.where(inside, frame, np.array(_BACKGROUND, np.uint8))
    blurred = np.asarray(cv2.GaussianBlur(frame, (0, 0), _BLUR * max(mask.shape)), np.uint8)
    return alpha, cutout, np.where(inside, frame, blurred)
