"""The frames of a survey: small images with their residual motion after the camera's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from videoseg.types import Frame, Size, VideoSource, Window
from videoseg_attributes.vision.histograms import to_lab
from videoseg_attributes.vision.motion import fit_camera_motion, residual_motion
from videoseg_attributes.vision.optical_flow import (
    FloatImage,
    GrayFrame,
    dense_flow,
    resize_image,
    to_gray,
)
from videoseg_attributes.vision.shots import Thumbnail, cut_evidence, find_cuts, is_cut, thumbnail

__all__ = ["SurveyFrame", "choose_frames", "cuts_of_window", "read_survey_frames", "survey_size"]

# Set by hand; the grid is a compromise between speed and small objects. Not measured separately.
_LONGEST_SIDE = 320  # pixels of the survey's grid
_DENSE_CUT_SEARCH = 600  # longer windows are searched for cuts by halving
_STILL_NOISE, _LEAST_NOISE = 0.1, 0.05  # pixels of the survey's grid a frame
_NOISE_OF_MEDIAN = 2.0  # noise over the median motion: more than half of a frame is background


@dataclass(frozen=True, eq=False, slots=True)
class SurveyFrame:
    """One surveyed frame at the survey's size (h, w).

    Args:
        index: Frame index of the source.
        image: RGB, shape (h, w, 3), uint8.
        lab: CIE Lab, shape (h, w, 3).
        gray: Luma, shape (h, w), uint8.
        residual: Camera-free motion towards the next frame, shape (h, w, 2), in pixels of
            this grid a frame; all zero where the video has no other frame in this shot.
        strength: Length of the camera-free motion, shape (h, w); the smaller one of both
            time directions, so that uncovered background does not count.
        noise: Length of motion that cannot be distinguished from none, in the same pixels.
    """

    index: int
    image: Frame
    lab: FloatImage
    gray: GrayFrame
    residual: FloatImage
    strength: FloatImage
    noise: float

    @property
    def size(self) -> Size:
        """(h, w)."""
        return (self.gray.shape[0], self.gray.shape[1])


def survey_size(source: Size) -> Size:
    """Return the size at which a frame of this size is surveyed."""
    scale = min(1.0, _LONGEST_SIDE / max(source))
    return (max(1, round(source[0] * scale)), max(1, round(source[1] * scale)))


def choose_frames(window: Window, num_frames: int) -> tuple[int, ...]:
    """Return frames spread evenly over a window, both ends included, ascending, each once.

    Unlike ``videoseg.samplers.evenly_spaced`` it rounds to the nearest frame.
    """
    if num_frames == 1:
        return ((window.start + window.stop - 1) // 2,)
    spread = np.linspace(window.start, window.stop - 1, min(num_frames, len(window)))
    return tuple(sorted({round(float(index)) for index in spread}))


def read_survey_frames(video: VideoSource, frames: tuple[int, ...]) -> list[SurveyFrame]:
    """Read frames and their neighbors, and measure motion."""
    return [_read(video, index) for index in frames]


def cuts_of_window(video: VideoSource, window: Window, frames: tuple[int, ...]) -> tuple[int, ...]:
    """Return where new shots begin in a window, ascending.

    Up to 600 frames, every frame is compared. In longer windows only the gaps between surveyed
    frames of different shots are searched, by bisection.
    """
    if len(window) <= _DENSE_CUT_SEARCH:
        return find_cuts(video, window)
    cuts: list[int] = []
    thumbnails: dict[int, Thumbnail] = {}

    def at(index: int) -> Thumbnail:
        if index not in thumbnails:
            thumbnails[index] = thumbnail(video[index])
        return thumbnails[index]

    for first, last in pairwise(frames):
        low, high = first, last
        while high - low > 1 and cut_evidence(at(low), at(high)).is_cut:
            middle = (low + high) // 2
            if cut_evidence(at(low), at(middle)).is_cut:
                high = middle
            else:
                low = middle
        if high - low == 1 and cut_evidence(at(low), at(high)).is_cut:
            cuts.append(high)
        thumbnails = {last: at(last)}
    return tuple(cuts)


def _read(video: VideoSource, index: int) -> SurveyFrame:
    source = video[index]
    size = survey_size((source.shape[0], source.shape[1]))
    image: Frame = resize_image(source, size)
    gray = to_gray(image)
    fields: list[tuple[int, FloatImage]] = []
    last = video.num_frames
    for step in (1, -1):
        neighbor = index + step
        if neighbor < 0 or last is None or neighbor >= last:
            continue
        other: Frame = resize_image(video[neighbor], size)
        if is_cut(image, other):
            continue
        flow = dense_flow(gray, to_gray(other), scale=1.0)
        fields.append((step, residual_motion(flow, fit_camera_motion(flow))))
    if not fields:
        still = np.zeros((*size, 2), dtype=np.float32)
        return SurveyFrame(
            index, image, to_lab(image), gray, still, still[..., 0].copy(), _STILL_NOISE
        )
    lengths = [np.hypot(field[..., 0], field[..., 1]) for _, field in fields]
    strength = np.asarray(np.min(lengths, axis=0), dtype=np.float32)
    residual = np.mean([step * field for step, field in fields], axis=0).astype(np.float32)
    return SurveyFrame(index, image, to_lab(image), gray, residual, strength, _noise_of(strength))


def _noise_of(strength: npt.NDArray[np.float32]) -> float:
    return max(_LEAST_NOISE, _NOISE_OF_MEDIAN * float(np.median(strength)))
