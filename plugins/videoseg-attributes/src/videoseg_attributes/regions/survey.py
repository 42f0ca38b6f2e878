"""The survey of a window: candidate objects and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types import BoolArray, Rle, Size, VideoSource, Window
from videoseg_attributes.regions.association import associate_parts
from videoseg_attributes.regions.frames import (
    SurveyFrame,
    choose_frames,
    read_window,
    usual_num_frames,
)
from videoseg_attributes.regions.moving_parts import MovingPart, moving_parts, rank_seeds
from videoseg_attributes.regions.objects import (
    ObjectHypothesis,
    combine_tracks,
    cut_out,
    depth_order,
    disjoint_masks,
    total_support,
)
from videoseg_attributes.regions.outlined_parts import outlined_parts
from videoseg_attributes.regions.split_touching import split_touching
from videoseg_attributes.regions.threads import do_both
from videoseg_attributes.regions.tracker import MovingTrack, Tracker
from videoseg_attributes.vision.histograms import color_cue

__all__ = ["Candidate", "Survey", "survey_window"]


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """One object that a query may refer to: where it is on each surveyed frame.

    Args:
        candidate_id: From 0, most salient first.
        masks: One for each frame of the survey, at ``Survey.size``; None where not visible.
        saliency: How much it stands out (motion, contrast, size, position), in [0, 1].
        velocities: Camera-compensated velocity of its center on each surveyed frame, as
            (x, y) in frame diagonals per second; None where not visible or not measurable.
        motion: Motion energy: the mean camera-compensated motion inside the mask on each
            surveyed frame, in frame diagonals per second; None where not visible. Unlike the
            velocity it is above zero for an object that moves in place (a dancer).
        cut_by_border: For each surveyed frame, whether the mask touches the frame's border.
        clarity: How reliable its outline is on each surveyed frame, in [0, 1]; 0 where not
            visible. Empty if not known.
        support: How far the picture shows its motion on each surveyed frame, in [0, 1] (see
            ``motion_support``): low in spray, smoke and leaves, in which no pixel is seen again; 0
            where not visible. Empty if not known.
    """

    candidate_id: int
    masks: tuple[Rle | None, ...]
    saliency: float
    velocities: tuple[tuple[float, float] | None, ...]
    motion: tuple[float | None, ...]
    cut_by_border: tuple[bool, ...]
    clarity: tuple[float, ...] = ()
    support: tuple[float, ...] = ()

    @property
    def visible(self) -> tuple[bool, ...]:
        """Whether it is visible on each surveyed frame."""
        return tuple(mask is not None for mask in self.masks)

    def mask(self, position: int) -> BoolArray | None:
        """Return the mask on the surveyed frame at this position of ``Survey.frames``."""
        rle = self.masks[position]
        return None if rle is None else rle.decode()


@dataclass(frozen=True, eq=False, slots=True)
class Survey:
    """The candidates found in a window of a video.

    Args:
        window: The window surveyed.
        frames: The surveyed frame indices, ascending.
        size: (height, width) of the candidates' masks (smaller than the source).
        source_size: (height, width) of the source frames.
        candidates: Most salient first; their masks are disjoint on each frame.
        cuts: Frame indices at which a new shot begins.
        depth_order: Pairs (front, behind) of candidate ids of which one occludes the other.
        wholes: What moves as one, but shows as several candidates with outlines of their own:
            these are the parts of one object or several objects that stay together. Their ids
            are none of the candidates', and their masks cover those of their parts.
    """

    window: Window
    frames: tuple[int, ...]
    size: Size
    source_size: Size
    candidates: tuple[Candidate, ...]
    cuts: tuple[int, ...] = ()
    depth_order: tuple[tuple[int, int], ...] = ()
    wholes: tuple[Candidate, ...] = ()

    @property
    def everything(self) -> tuple[Candidate, ...]:
        """The candidates and the wholes."""
        return (*self.candidates, *self.wholes)


# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_LEAST_SUPPORT = 0.06  # of the best mover's: below, it is a ripple or a shadow
_EXPLAINED = 0.5  # of a part or track: more in common with others, and it is the same object
_SPLIT_SHARE = 0.2  # of a track's area: a piece this large may be an object of its own
_SPLIT_FRAMES = 0.4  # of the visible frames


def survey_window(
    video: VideoSource,
    *,
    window: Window,
    num_frames: int | None = None,
    max_candidates: int = 8,
    seed: int = 0,  # noqa: ARG001 - a survey function takes one; this one is deterministic
) -> Survey:
    """Find the candidate objects in a window and track each through it.

    Moving objects are found by their residual motion and tracked from the frame that shows them
    best; others by a clear outline around one color. Nothing is recognized.

    Args:
        video: The video.
        window: The frames to survey.
        num_frames: Number of frames to read, spread evenly over the window; by default 24, and
            18 of up to 250 frames.
        max_candidates: Largest number of candidates to return.
        seed: Not used; nothing here is random.

    Returns:
        The survey; candidates with the highest saliency first.

    Raises:
        ConfigError: If a number is below 1 or the window leaves the video.
        VideoError: If a frame cannot be decoded.
    """
    num_frames = usual_num_frames(window) if num_frames is None else num_frames
    _check(video, window, num_frames, max_candidates)
    indices = choose_frames(window, num_frames)
    frames, cuts = read_window(video, window, indices)
    shots = [int(np.searchsorted(cuts, index, side="right")) for index in indices]
    cues = [color_cue(frame.lab) for frame in frames]
    parts = moving_parts(frames, cues)
    queue = rank_seeds(parts, cues)
    tracker = Tracker(frames, cues, parts, shots)

    def track() -> list[MovingTrack]:
        if queue:
            tracker.prepare()
        return _track_movers(tracker, queue, max_candidates)

    movers, pieces = do_both(track, lambda: outlined_parts(frames))
    chains = associate_parts(pieces, shots, float(np.hypot(*frames[0].size)))
    split_touching(chains, pieces, shots)
    outlined = [chain for chain in chains if _is_lasting(len(chain.parts), len(frames))]
    hypotheses, together = combine_tracks(movers, outlined, frames)
    objects = hypotheses[:max_candidates]
    masks = disjoint_masks(objects, frames)
    rate = video.fps / float(np.hypot(*frames[0].size))
    candidates = tuple(
        _make_candidate(number, hypothesis, masks[number], frames, rate)
        for number, hypothesis in enumerate(objects)
    )
    wholes = tuple(
        _make_candidate(number, hypothesis, cut_out(hypothesis), frames, rate)
        for number, hypothesis in enumerate(together, start=len(objects))
    )
    return Survey(
        window,
        indices,
        frames[0].size,
        video.size,
        candidates,
        cuts=cuts,
        depth_order=depth_order(masks),
        wholes=wholes,
    )


def _check(video: VideoSource, window: Window, num_frames: int, max_candidates: int) -> None:
    problems = [
        f"{name} must be at least 1, got {value}"
        for name, value in (("num_frames", num_frames), ("max_candidates", max_candidates))
        if value < 1
    ]
    if video.num_frames is not None and window.stop > video.num_frames:
        problems.append(
            f"the window [{window.start}, {window.stop}) leaves the video of "
            f"{video.num_frames} frames"
        )
    if problems:
        raise ConfigError(problems)


def _track_movers(tracker: Tracker, parts: Sequence[MovingPart], limit: int) -> list[MovingTrack]:
    tracks: list[MovingTrack] = []
    best = 0.0
    for part in parts:
        if len(tracks) >= limit:
            break
        if part.score < _LEAST_SUPPORT * best:
            continue
        taken = _union_of_tracks(tracks, tracker)
        if _overlap_fraction(part.mask, taken[part.position]) > _EXPLAINED:
            continue
        for track in _track_pieces(tracker, part, taken):
            if _is_new(track, tracks) and _is_lasting(track.num_visible, len(track.probability)):
                tracks.append(track)
                best = max(best, total_support(track))
    return tracks


def _track_pieces(
    tracker: Tracker, part: MovingPart, taken: Sequence[BoolArray]
) -> list[MovingTrack]:
    """Track a part; if it falls into pieces that stay apart, track each piece instead."""
    track = tracker.track(part, taken)
    split = _find_split(track)
    if split is None:
        return [track]
    position, pieces = split
    result: list[MovingTrack] = []
    blocked = [mask.copy() for mask in taken]
    for piece in pieces:
        own = tracker.track(MovingPart(position, piece, part.score), blocked)
        result.append(own)
        for index in range(len(blocked)):
            mask = own.mask(index)
            if mask is not None:
                blocked[index] |= mask
    return result


def _find_split(track: MovingTrack) -> tuple[int, list[BoolArray]] | None:
    found: list[tuple[float, int, list[BoolArray]]] = []
    for position in range(len(track.probability)):
        mask = track.mask(position)
        if mask is None:
            continue
        pieces = _split_pieces(mask)
        if len(pieces) > 1:
            smaller = float(pieces[1].sum()) / float(pieces[0].sum())
            found.append((smaller, position, pieces))
    if len(found) < max(2, _SPLIT_FRAMES * track.num_visible):
        return None
    _, position, pieces = max(found, key=lambda item: item[0])
    return position, pieces


def _split_pieces(mask: BoolArray) -> list[BoolArray]:
    import cv2

    # Dilated first: a thin object in front does not split the object behind it.
    near = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8))
    num, labels = cv2.connectedComponents(near)
    pieces = [mask & (labels == label) for label in range(1, num)]
    pieces = [piece for piece in pieces if piece.sum() > _SPLIT_SHARE * mask.sum()]
    return sorted(pieces, key=lambda piece: -int(piece.sum()))


def _union_of_tracks(tracks: Sequence[MovingTrack], tracker: Tracker) -> list[BoolArray]:
    taken = [np.zeros(frame.size, dtype=bool) for frame in tracker.frames]
    for track in tracks:
        for position, mask in enumerate(taken):
            own = track.mask(position)
            if own is not None:
                mask |= own
    return taken


def _overlap_fraction(mask: BoolArray, of: BoolArray) -> float:
    return float(np.count_nonzero(mask & of)) / max(1.0, float(np.count_nonzero(mask)))


def _is_new(track: MovingTrack, others: Sequence[MovingTrack]) -> bool:
    for other in others:
        shared = [
            _overlap_fraction(mine, theirs)
            for position in range(len(track.probability))
            if (mine := track.mask(position)) is not None
            and (theirs := other.mask(position)) is not None
        ]
        if shared and float(np.mean(shared)) > _EXPLAINED:
            return False
    return track.num_visible > 0


def _is_lasting(num_visible: int, num_frames: int) -> bool:
    return num_visible >= min(3, num_frames)


def _make_candidate(
    number: int,
    hypothesis: ObjectHypothesis,
    masks: Sequence[BoolArray | None],
    frames: Sequence[SurveyFrame],
    rate: float,
) -> Candidate:
    velocities: list[tuple[float, float] | None] = []
    motion: list[float | None] = []
    cut: list[bool] = []
    support: list[float] = []
    for mask, frame in zip(masks, frames, strict=True):
        if mask is None:
            velocities.append(None)
            motion.append(None)
            cut.append(False)
            support.append(0.0)
            continue
        x, y = np.median(frame.residual[mask], axis=0)
        velocities.append((float(x) * rate, float(y) * rate))
        motion.append(float(frame.strength[mask].mean()) * rate)
        support.append(frame.measure_support(mask))
        cut.append(bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()))
    return Candidate(
        number,
        tuple(None if mask is None else Rle.encode(mask) for mask in masks),
        hypothesis.saliency,
        tuple(velocities),
        tuple(motion),
        tuple(cut),
        tuple(
            0.0 if mask is None else c for mask, c in zip(masks, hypothesis.clarity, strict=True)
        ),
        tuple(support),
    )
