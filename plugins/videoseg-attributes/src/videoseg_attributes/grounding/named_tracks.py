"""Tracks of named things, and what can be measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types import BoolArray, Box, FloatArray, Frame, Rle, Size, VideoSource
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.regions.frames import SurveyFrame, read_survey_frames, survey_size
from videoseg_attributes.segmentation.region_cut import RegionHint, cut_region
from videoseg_attributes.vision.color import NUM_COLOR_BINS, color_histogram
from videoseg_attributes.vision.motion import MotionEvidence
from videoseg_attributes.vision.optical_flow import resize_image

__all__ = ["NamedTrack", "measure_tracks"]

# Set by hand; not measured separately.
_COLOR_FRAMES = 6  # frames whose pixels are counted for a track's colors
_INNER = 0.25  # of a box's sides, left out on each side: what is left is mostly the object
_AT_BORDER = 2.0  # pixels of the source from the border within which a box is cut by it
_FILLED = 0.65  # of a box that an object covers, as a rule


@dataclass(frozen=True, eq=False, slots=True)
class NamedTrack:
    """One thing through a video, found by its name.

    Args:
        track_id: Its number, different for each track.
        names: What it was found as, each with a score in [0, 1]: how surely it is that.
            A name that something else fits much better on the same place scores low.
        masks: By frame index, of the source's size; frames that are absent do not show it.
        boxes: By frame index, where there are no masks, in pixels of the source.
        called: What the detector itself calls it, if that may be another word than the names.
        scores: By frame index, how sure it is on single frames, in [0, 1], where that is known.

    Raises:
        ConfigError: If a score lies outside [0, 1].
    """

    track_id: int
    names: Mapping[str, float]
    masks: Mapping[int, Rle] = field(default_factory=dict)
    boxes: Mapping[int, Box] = field(default_factory=dict)
    called: str = ""
    scores: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, score in self.names.items():
            if not 0 <= score <= 1:
                raise ConfigError(
                    f"the score of {name!r} in track {self.track_id} must be within 0..1, got "
                    f"{score}"
                )

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames that show it, ascending."""
        return tuple(sorted({*self.masks, *self.boxes}))

    @property
    def label(self) -> str:
        """Its best name with the score, such as ``dog 0.93``; empty if it has none."""
        if not self.names:
            return ""
        best = max(self.names, key=lambda one: self.names[one])
        name = self.called if self.called in self.names else best
        return f"{name} {self.names[name]:.2f}"

    def box(self, frame: int) -> Box | None:
        """Return its box on a frame, or None if it is not visible there."""
        mask = self.masks.get(frame)
        return mask.box if mask is not None else self.boxes.get(frame)


def measure_tracks(
    video: VideoSource,
    tracks: Sequence[NamedTrack],
    frames: Sequence[int],
    *,
    colors: bool = True,
    motion: bool = True,
) -> tuple[MeasuredCandidate, ...]:
    """Measure tracks on some frames, as candidates that a query may refer to.

    Args:
        video: The video.
        tracks: The tracks.
        frames: Frame indices, ascending, on which they are measured.
        colors: Whether to measure colors. Where a track has only boxes, this cuts it out.
        motion: Whether to measure motion besides that of the camera.

    Returns:
        A candidate for each track that any of the frames shows.
    """
    shown = [track for track in tracks if any(track.box(frame) for frame in frames)]
    if not shown:
        return ()
    surveyed = read_survey_frames(video, tuple(frames)) if motion else []
    candidates = [_measure_places(video, track, frames) for track in shown]
    highest = max((candidate.saliency for candidate in candidates), default=0.0) or 1.0
    histograms = _measure_colors(video, shown, frames) if colors else {}
    measured = []
    for track, candidate in zip(shown, candidates, strict=True):
        velocities, energy = _measure_motion(video, track, surveyed, len(frames))
        measured.append(
            MeasuredCandidate(
                candidate_id=track.track_id,
                saliency=candidate.saliency / highest,
                frames=np.array(frames, dtype=np.float64),
                times=np.array(frames, dtype=np.float64) / video.fps,
                visible=candidate.areas > 0,
                areas=candidate.areas,
                centers=candidate.centers,
                boxes=candidate.boxes,
                cut=candidate.cut,
                velocities=velocities,
                motion=energy,
                aspect=video.size[1] / video.size[0],
                colors=histograms.get(track.track_id, _no_colors()),
                prominence=candidate.saliency / highest,
                names=dict(track.names),
                label=track.label,
            )
        )
    return tuple(measured)


@dataclass(frozen=True, eq=False, slots=True)
class _Places:
    areas: FloatArray
    centers: FloatArray
    boxes: FloatArray
    cut: BoolArray
    saliency: float


def _measure_places(video: VideoSource, track: NamedTrack, frames: Sequence[int]) -> _Places:
    height, width = video.size
    count = len(frames)
    areas, cut = np.zeros(count), np.zeros(count, dtype=bool)
    centers, boxes = np.full((count, 2), np.nan), np.full((count, 4), np.nan)
    for position, frame in enumerate(frames):
        box = track.box(frame)
        if box is None:
            continue
        mask = track.masks.get(frame)
        pixels = float(mask.area) if mask is not None else _FILLED * box.area
        areas[position] = pixels / (height * width)
        boxes[position] = np.array(box.as_tuple()) / (width, height, width, height)
        centers[position] = boxes[position].reshape(2, 2).mean(axis=0)
        cut[position] = (
            min(box.x1, box.y1) < _AT_BORDER
            or box.x2 > width - _AT_BORDER
            or box.y2 > height - _AT_BORDER
        )
    # Large, surely named and often seen.
    sureness = max(track.names.values(), default=1.0)
    return _Places(areas, centers, boxes, cut, sureness * float(np.sqrt(areas).mean()))


def _no_colors() -> FloatArray:
    return np.zeros(NUM_COLOR_BINS)


def _measure_colors(
    video: VideoSource, tracks: Sequence[NamedTrack], frames: Sequence[int]
) -> dict[int, FloatArray]:
    """Return the colors of each track's pixels on the frames that show it largest."""
    wanted: dict[int, list[NamedTrack]] = {}
    for track in tracks:
        areas = {frame: box.area for frame in frames if (box := track.box(frame)) is not None}
        best = sorted(areas, key=lambda frame: -areas[frame])[:_COLOR_FRAMES]
        for frame in best:
            wanted.setdefault(frame, []).append(track)
    histograms = {track.track_id: _no_colors() for track in tracks}
    for frame in sorted(wanted):
        image = video[frame]
        size = survey_size((image.shape[0], image.shape[1]))
        small: Frame = resize_image(image, size)
        for track in wanted[frame]:
            for mask in _masks_on(track, frame, small, video.size):
                counts = color_histogram(small, mask)
                histograms[track.track_id] += counts / max(1.0, float(counts.sum()))
    return histograms


def _masks_on(track: NamedTrack, frame: int, small: Frame, source: Size) -> list[BoolArray]:
    """Return the pixels of a small picture of a frame that count for a track's colors.

    Where it has a box only, it is cut out of it, and the middle of the box counts as much: a cut
    drops the white patches of a black dog.
    """
    size = (small.shape[0], small.shape[1])
    rle = track.masks.get(frame)
    box = track.box(frame)
    inner = _inner_of(box, size, source)
    if rle is not None:
        mask = np.asarray(resize_image(rle.decode().astype(np.float32), size) >= 0.5)
        return [mask if mask.any() else inner]
    scaled = None if box is None else _scale(box, size, source)
    if scaled is None:
        return [inner]
    return [cut_region(small, MotionEvidence(()), RegionHint(scaled)).mask, inner]


def _scale(box: Box, size: Size, source: Size) -> Box | None:
    x, y = size[1] / source[1], size[0] / source[0]
    return Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y).clipped(size)


def _inner_of(box: Box | None, size: Size, source: Size) -> BoolArray:
    """Return the middle of a box on a small picture, at least a pixel."""
    mask = np.zeros(size, dtype=bool)
    if box is None:
        return mask
    x, y = size[1] / source[1], size[0] / source[0]
    x1, x2 = (box.x1 + _INNER * box.width) * x, (box.x2 - _INNER * box.width) * x
    y1, y2 = (box.y1 + _INNER * box.height) * y, (box.y2 - _INNER * box.height) * y
    # Of a box that reaches beyond the border the middle may lie outside.
    left, top = min(max(0, int(x1)), size[1] - 1), min(max(0, int(y1)), size[0] - 1)
    mask[top : max(top + 1, round(y2)), left : max(left + 1, round(x2))] = True
    return mask


def _measure_motion(
    video: VideoSource, track: NamedTrack, surveyed: Sequence[SurveyFrame], count: int
) -> tuple[FloatArray, FloatArray]:
    """Return camera-free velocities, (P, 2), and motion energy, (P,), in diagonals a second."""
    velocities, energy = np.full((count, 2), np.nan), np.full(count, np.nan)
    for position, frame in enumerate(surveyed):
        box = track.box(frame.index)
        if box is None:
            continue
        rate = video.fps / float(np.hypot(*frame.size))
        rle = track.masks.get(frame.index)
        inner = (
            np.asarray(resize_image(rle.decode().astype(np.float32), frame.size) >= 0.5)
            if rle is not None
            else _inner_of(box, frame.size, video.size)
        )
        if not inner.any():
            inner = _inner_of(box, frame.size, video.size)
        velocities[position] = np.median(frame.residual[inner], axis=0) * rate
        energy[position] = float(frame.strength[inner].mean()) * rate
    return velocities, energy
