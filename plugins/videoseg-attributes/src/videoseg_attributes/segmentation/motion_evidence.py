"""Camera-free motion around one frame of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types import Frame, VideoSource
from videoseg_attributes.vision.motion import fit_camera_motion, residual_motion
from videoseg_attributes.vision.optical_flow import FloatImage, dense_flow, to_gray
from videoseg_attributes.vision.shots import is_cut

__all__ = ["MotionEvidence", "motion_around"]


@dataclass(frozen=True, eq=False, slots=True)
class MotionEvidence:
    """How the pixels of a frame move by themselves towards its neighbours.

    Args:
        residuals: One field for each neighbour used, shape (h, w, 2), in pixels of that
            grid, which is a shrunk copy of the frame. None: nothing is known of motion.
    """

    residuals: tuple[FloatImage, ...]

    def strength(self) -> FloatImage:
        """Return the smallest motion length over the neighbours, shape (h, w), pixels.

        What is uncovered on one side seems to move there, but not on the other side.
        """
        lengths = [np.hypot(field[..., 0], field[..., 1]) for field in self.residuals]
        smallest: FloatImage = np.min(lengths, axis=0)
        return smallest


def motion_around(
    video: VideoSource, frame: int, *, longest_side: int = 448, image: Frame | None = None
) -> MotionEvidence:
    """Measure camera-free motion from one frame to the frames beside it.

    Args:
        video: The video. A single frame, or a neighbour beyond a cut, gives no motion.
        frame: Frame index.
        longest_side: Size of the grid on which flow is computed.
        image: The frame itself, if it has been read already.
    """
    image = video[frame] if image is None else image
    last = video.num_frames
    gray = to_gray(image)
    scale = min(1.0, longest_side / max(gray.shape))
    residuals: list[FloatImage] = []
    for neighbour in (frame - 1, frame + 1):
        if neighbour < 0 or (last is None and neighbour > frame):
            continue
        if last is not None and neighbour >= last:
            continue
        other = video[neighbour]
        if is_cut(image, other):
            continue
        flow = dense_flow(gray, to_gray(other), scale=scale)
        residuals.append(residual_motion(flow, fit_camera_motion(flow)))
    return MotionEvidence(tuple(residuals))
