"""The frames of a survey: small images with their residual motion after the camera's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, Frame, Size, VideoSource, Window
from videoseg_attributes.regions.threads import map_in_threads
from videoseg_attributes.vision.histograms import to_lab
from videoseg_attributes.vision.motion import motion_support, remove_scenery_motion
from videoseg_attributes.vision.optical_flow import (
    FloatImage,
    GrayFrame,
    dense_flow,
    resize_image,
    to_gray,
    vector_length,
)
from videoseg_attributes.vision.shots import Thumbnail, begins_shot, thumbnail

__all__ = [
    "SurveyFrame",
    "choose_frames",
    "read_survey_frames",
    "read_window",
    "survey_size",
    "usual_num_frames",
]

# Set by hand; the grid is a compromise between speed and small objects. Not measured separately.
_LONGEST_SIDE = 320  # pixels of the survey's grid
_CAMERA_STRIDE = 6  # every so many pixels of the grid are used to fit the camera
_UNSUPPORTED = 0.15  # weight of motion that the picture does not show
_NOT_KEPT = np.empty((0, 0, 3), dtype=np.uint8)  # no view, which would keep the whole frame
_DENSE_CUT_SEARCH = 600  # longer windows are searched for cuts by halving
# Frames of a survey. In a short window fewer lie as close together, and a survey of them takes a
# fifth less time; measured on clips of DAVIS-2016.
_NUM_FRAMES, _NUM_FRAMES_OF_SHORT, _SHORT_WINDOW = 24, 18, 250
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
        supported: The same, less where the camera's motion explains the picture as well: flow
            spreads from an object over the flat ground beside it.
        noise: Length of motion that cannot be distinguished from none, in the same pixels.
    """

    index: int
    image: Frame
    lab: FloatImage
    gray: GrayFrame
    residual: FloatImage
    strength: FloatImage
    supported: FloatImage
    noise: float

    @property
    def size(self) -> Size:
        """(h, w)."""
        return (self.gray.shape[0], self.gray.shape[1])

    def measure_support(self, mask: BoolArray) -> float:
        """Return how much of the motion in a mask the picture shows, in [0, 1]."""
        moved = float(self.strength[mask].sum())
        share = float(self.supported[mask].sum()) / moved if moved > 0 else 0.0
        return max(0.0, (share - _UNSUPPORTED) / (1 - _UNSUPPORTED))


def survey_size(source: Size) -> Size:
    """Return the size at which a frame of this size is surveyed."""
    scale = min(1.0, _LONGEST_SIDE / max(source))
    return (max(1, round(source[0] * scale)), max(1, round(source[1] * scale)))


def usual_num_frames(window: Window) -> int:
    """Return how many frames of a window are surveyed unless it is said."""
    return _NUM_FRAMES_OF_SHORT if len(window) <= _SHORT_WINDOW else _NUM_FRAMES


def choose_frames(window: Window, num_frames: int) -> tuple[int, ...]:
    """Return frames spread evenly over a window, both ends included, ascending, each once.

    Unlike ``videoseg.samplers.evenly_spaced`` it rounds to the nearest frame.
    """
    if num_frames == 1:
        return ((window.start + window.stop - 1) // 2,)
    spread = np.linspace(window.start, window.stop - 1, min(num_frames, len(window)))
    return tuple(sorted({round(float(index)) for index in spread}))


def read_window(
    video: VideoSource, window: Window, frames: tuple[int, ...]
) -> tuple[list[SurveyFrame], tuple[int, ...]]:
    """Read the frames of a survey, measure their motion, and find where new shots begin.

    A window of up to 600 frames is read once, in order, and every frame compared with the one
    before. In longer windows only the surveyed frames and those beside them are read, and the
    gaps between surveyed frames of different shots searched by bisection.

    Args:
        video: The video.
        window: The window.
        frames: The frames to survey, ascending.

    Returns:
        The surveyed frames, and the frame indices at which a new shot begins, ascending.
    """
    is_short = len(window) <= _DENSE_CUT_SEARCH
    beside = _frames_beside(video, frames)
    looks = _look_at_frames(video, window if is_short else None, beside)
    cuts = _find_every_cut(window, looks) if is_short else _search_cuts(video, frames)
    return _measure_all(frames, beside, looks), cuts


def read_survey_frames(video: VideoSource, frames: Sequence[int]) -> list[SurveyFrame]:
    """Read some frames and those beside them alone, and measure their motion.

    Args:
        video: The video.
        frames: Frame indices, ascending.
    """
    beside = _frames_beside(video, frames)
    return _measure_all(frames, beside, _look_at_frames(video, None, beside))


_Beside: TypeAlias = Mapping[int, Sequence[tuple[int, int]]]
"""For each surveyed frame the steps, 1 and -1, and the indices of the frames beside it."""


def _frames_beside(video: VideoSource, frames: Sequence[int]) -> _Beside:
    last = video.num_frames
    return {
        index: [
            (step, index + step)
            for step in (1, -1)
            if index + step >= 0 and last is not None and index + step < last
        ]
        for index in frames
    }


def _measure_all(
    frames: Sequence[int], beside: _Beside, looks: Mapping[int, _Look]
) -> list[SurveyFrame]:
    def measure(index: int) -> SurveyFrame:
        others = [
            (step, looks[neighbor].small)
            for step, neighbor in beside[index]
            if not begins_shot(looks[index].thumb, looks[neighbor].thumb)
        ]
        return _measure(index, looks[index].small, others)

    return map_in_threads(measure, frames)


@dataclass(frozen=True, eq=False, slots=True)
class _Look:
    """What is kept of a frame: its thumbnail; at the survey's size it is empty if not wanted."""

    thumb: Thumbnail
    small: Frame


def _look_at_frames(
    video: VideoSource, window: Window | None, beside: _Beside
) -> dict[int, _Look]:
    """Return looks at the surveyed frames and those beside them, and at all of a window."""
    wanted = {*beside, *(neighbor for pairs in beside.values() for _, neighbor in pairs)}

    def look(item: tuple[int, Frame]) -> tuple[int, _Look]:
        index, frame = item
        if index not in wanted:
            return index, _Look(thumbnail(frame), _NOT_KEPT)
        source = (frame.shape[0], frame.shape[1])
        small: Frame = resize_image(frame, survey_size(source))
        return index, _Look(thumbnail(small, source=source), small)

    def read() -> Iterator[tuple[int, Frame]]:
        if window is not None:
            yield from video.iter_frames(window.start, window.stop)
        for index in sorted(wanted):
            if window is None or index not in window:
                yield index, video[index]

    return dict(map_in_threads(look, read()))


def _find_every_cut(window: Window, looks: Mapping[int, _Look]) -> tuple[int, ...]:
    here = [index for index in sorted(looks) if index in window]
    return tuple(
        index
        for before, index in pairwise(here)
        if begins_shot(looks[before].thumb, looks[index].thumb)
    )


def _search_cuts(video: VideoSource, frames: tuple[int, ...]) -> tuple[int, ...]:
    cuts: list[int] = []
    thumbnails: dict[int, Thumbnail] = {}

    def at(index: int) -> Thumbnail:
        if index not in thumbnails:
            thumbnails[index] = thumbnail(video[index])
        return thumbnails[index]

    for first, last in pairwise(frames):
        low, high = first, last
        while high - low > 1 and begins_shot(at(low), at(high)):
            middle = (low + high) // 2
            if begins_shot(at(low), at(middle)):
                high = middle
            else:
                low = middle
        if high - low == 1 and begins_shot(at(low), at(high)):
            cuts.append(high)
        thumbnails = {last: at(last)}
    return tuple(cuts)


def _measure(index: int, image: Frame, others: Sequence[tuple[int, Frame]]) -> SurveyFrame:
    """Measure a frame's motion towards its neighbors, each one frame (1) or minus one away."""
    gray = to_gray(image)
    residuals: list[FloatImage] = []
    lengths: list[FloatImage] = []
    supported: list[FloatImage] = []
    for step, other in others:
        other_gray = to_gray(other)
        flow = dense_flow(gray, other_gray, scale=1.0)
        residual = remove_scenery_motion(flow, stride=_CAMERA_STRIDE)
        length = vector_length(residual)
        support = motion_support(gray, other_gray, flow, residual)
        residuals.append(step * residual)
        lengths.append(length)
        supported.append(length * (_UNSUPPORTED + (1 - _UNSUPPORTED) * support))
    if not others:
        still = np.zeros((*gray.shape, 2), dtype=np.float32)
        none = still[..., 0]
        return SurveyFrame(
            index, image, to_lab(image), gray, still, none.copy(), none.copy(), _STILL_NOISE
        )
    strength = np.asarray(np.min(lengths, axis=0), dtype=np.float32)
    return SurveyFrame(
        index,
        image,
        to_lab(image),
        gray,
        np.mean(residuals, axis=0).astype(np.float32),
        strength,
        np.min(supported, axis=0).astype(np.float32),
        _noise_of(strength),
    )


def _noise_of(strength: npt.NDArray[np.float32]) -> float:
    return max(_LEAST_NOISE, _NOISE_OF_MEDIAN * float(np.median(strength)))
