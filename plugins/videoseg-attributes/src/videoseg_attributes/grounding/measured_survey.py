"""Surveys with measured candidates, kept for each video; fragments of one object are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from videoseg.types import FloatArray, VideoSource, Window
from videoseg_attributes.grounding.measurements import MeasuredCandidate, measure_candidates
from videoseg_attributes.grounding.video_cache import VideoCache
from videoseg_attributes.regions.survey import Candidate, Survey

__all__ = ["MeasuredSurvey", "SurveyCache", "merge_fragments"]

_WINDOWS_KEPT = 4  # per video: an episode needs its whole window and one closer look
# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_COMMON_FRAMES = 0.1  # of the shorter one's; more, and they are two objects side by side
_COMMON_COLORS = 0.6  # common part of two color histograms, in [0, 1]
_SAME_PLACE = 0.3  # intersection over union of the boxes where one takes over from the other
_PART = 0.5  # of a candidate's pixels in a whole: then it is a part of it
_LONGEST_TURN = 2  # surveyed frames between the end of one and the start of the other


@dataclass(frozen=True, eq=False, slots=True)
class MeasuredSurvey:
    """A survey with its candidates measured, and its wholes."""

    survey: Survey
    candidates: tuple[MeasuredCandidate, ...]
    wholes: tuple[MeasuredCandidate, ...] = ()

    def undivided(self) -> tuple[MeasuredCandidate, ...]:
        """Return the wholes, and the candidates that are not parts of one."""
        if not self.wholes:
            return self.candidates
        survey = self.survey
        parts = {
            candidate.candidate_id
            for candidate in survey.candidates
            if any(_is_part(candidate, whole) for whole in survey.wholes)
        }
        return (*self.wholes, *(one for one in self.candidates if one.candidate_id not in parts))


class SurveyCache:
    """A cache of surveys by video and window; thread-safe.

    It does not keep videos alive: the surveys of a video are dropped with it.
    """

    def __init__(self) -> None:
        self._surveys: VideoCache[MeasuredSurvey] = VideoCache(_WINDOWS_KEPT)

    def get(
        self,
        video: VideoSource,
        make_survey: Callable[..., Survey],
        *,
        window: Window,
        num_frames: int,
        max_candidates: int,
        seed: int,
    ) -> MeasuredSurvey:
        """Return the survey of a window from the cache, or make it."""

        def make() -> MeasuredSurvey:
            made = make_survey(
                video,
                window=window,
                num_frames=num_frames,
                max_candidates=max_candidates,
                seed=seed,
            )
            candidates = measure_candidates(video, made)
            whole = merge_fragments(made, candidates)
            if whole is not made:
                candidates = measure_candidates(video, whole)
            wholes = measure_candidates(video, whole, whole.wholes) if whole.wholes else ()
            return MeasuredSurvey(whole, candidates, wholes)

        key = (window.start, window.stop, num_frames, max_candidates, seed)
        return self._surveys.get(video, key, make)


def _is_part(candidate: Candidate, whole: Candidate) -> bool:
    inside = total = 0
    for position in range(len(candidate.masks)):
        mask, around = candidate.mask(position), whole.mask(position)
        if mask is not None:
            total += int(mask.sum())
            inside += 0 if around is None else int((mask & around).sum())
    return inside > _PART * total


def merge_fragments(survey: Survey, candidates: Sequence[MeasuredCandidate]) -> Survey:
    """Merge candidates that are one object, seen in turns; the same survey if there are none.

    Args:
        survey: The survey.
        candidates: Its measured candidates.
    """
    groups: list[list[MeasuredCandidate]] = []
    for candidate in candidates:
        home = next(
            (
                group
                for group in groups
                if all(_is_same_object(candidate, other) for other in group)
            ),
            None,
        )
        if home is None:
            groups.append([candidate])
        else:
            home.append(candidate)
    if all(len(group) == 1 for group in groups):
        return survey
    by_id = {candidate.candidate_id: candidate for candidate in survey.candidates}
    kept = [_merge([by_id[candidate.candidate_id] for candidate in group]) for group in groups]
    first_of = {
        candidate.candidate_id: group[0].candidate_id for group in groups for candidate in group
    }
    order = {
        (first_of[front], first_of[behind])
        for front, behind in survey.depth_order
        if front in first_of and behind in first_of and first_of[front] != first_of[behind]
    }
    return replace(survey, candidates=tuple(kept), depth_order=tuple(sorted(order)))


def _is_same_object(one: MeasuredCandidate, other: MeasuredCandidate) -> bool:
    both = int((one.visible & other.visible).sum())
    shorter = int(min(one.visible.sum(), other.visible.sum()))
    if both > _COMMON_FRAMES * shorter:
        return False
    mine = one.colors / max(1e-9, float(one.colors.sum()))
    theirs = other.colors / max(1e-9, float(other.colors.sum()))
    if _coarse_overlap(mine, theirs) < _COMMON_COLORS:
        return False
    turns = _box_overlaps_at_turns(one, other)
    return bool(turns) and min(turns) >= _SAME_PLACE


def _box_overlaps_at_turns(one: MeasuredCandidate, other: MeasuredCandidate) -> list[float]:
    """Return how well the boxes agree at each change from one to the other."""
    overlaps = []
    last: tuple[MeasuredCandidate, int] | None = None
    for position in range(len(one.visible)):
        here = one if one.visible[position] else other if other.visible[position] else None
        if here is None:
            continue
        if last is not None and last[0] is not here:
            if position - last[1] > _LONGEST_TURN:
                return []  # it appears long after the other is gone: another object
            overlaps.append(_iou(last[0].boxes[last[1]], here.boxes[position]))
        last = (here, position)
    return overlaps


def _iou(first: FloatArray, second: FloatArray) -> float:
    spans = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.clip(spans, 0, None)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return shared / max(1e-9, areas - shared)


def _coarse_overlap(first: FloatArray, second: FloatArray) -> float:
    """Return the common part of two color histograms on a grid four times as coarse."""

    def coarse(histogram: FloatArray) -> FloatArray:
        side = round(len(histogram) ** (1 / 3))
        blocks = histogram.reshape(side // 4, 4, side // 4, 4, side // 4, 4)  # RGB in blocks
        return np.asarray(blocks.sum(axis=(1, 3, 5)))

    return float(np.minimum(coarse(first), coarse(second)).sum())


def _merge(pieces: Sequence[Candidate]) -> Candidate:
    """Return the union of the pieces as one candidate with the id of the first."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    count = len(first.masks)
    source = [
        next((piece for piece in pieces if piece.masks[index] is not None), first)
        for index in range(count)
    ]
    return replace(
        first,
        masks=tuple(piece.masks[index] for index, piece in enumerate(source)),
        saliency=max(piece.saliency for piece in pieces),
        velocities=tuple(piece.velocities[index] for index, piece in enumerate(source)),
        motion=tuple(piece.motion[index] for index, piece in enumerate(source)),
        cut_by_border=tuple(piece.cut_by_border[index] for index, piece in enumerate(source)),
        clarity=tuple(piece.clarity[index] for index, piece in enumerate(source))
        if all(piece.clarity for piece in pieces)
        else (),
        support=tuple(piece.support[index] for index, piece in enumerate(source))
        if all(piece.support for piece in pieces)
        else (),
    )
