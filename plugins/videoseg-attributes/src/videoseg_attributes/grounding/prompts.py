"""Prompts of the chosen candidates: a keyframe, and mask, box and points on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.errors import ConfigError
from videoseg.masks import bounding_box, inner_points, iou
from videoseg.types import (
    BoolArray,
    Box,
    FloatArray,
    Frame,
    Point,
    Prompt,
    Rle,
    Size,
    VideoSource,
)
from videoseg_attributes.grounding.measured_survey import MeasuredSurvey
from videoseg_attributes.grounding.outlines import boundary_contrast
from videoseg_attributes.grounding.resolution import Choice
from videoseg_attributes.regions.survey import Candidate, Survey
from videoseg_attributes.regions.threads import map_in_threads
from videoseg_attributes.segmentation.region_cut import RegionHint, cut_region
from videoseg_attributes.vision.motion import MotionEvidence
from videoseg_attributes.vision.optical_flow import FloatImage, resize_image

__all__ = [
    "Refined",
    "choose_positions",
    "make_prompts",
    "measure_visibility",
    "refine_on_frame",
]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_SEARCH_MARGIN = 0.08  # of the rough mask's box, on each side
_SOFTNESS = 1.5  # pixels of the survey by which its outline is off as a rule
_REACH, _REACH_SHARE = 2.5, 0.1  # outside: as far as this it may be off at all
_TRUST = 1.5  # in the rough mask, against the colors
_LEAST_AGREEMENT = 0.5  # intersection over union of precise and rough mask
_NUM_NEGATIVE = 2  # points for each prompt
_CUT_BY_BORDER = 0.6  # weight of a frame on which the candidate touches the border
_SHOWN_TOGETHER = 0.3  # of how well its own best frame shows a candidate
_RUN_OVER = 1.6  # of its usual area: a larger mask has run into its surroundings
_BAND_LEAST, _BAND = 4.0, 0.25  # half the width of the band: pixels; of the root of the area
_PART = 0.5  # of a candidate inside a whole: it is a part of it, not another object
_TRIED, _NEARLY_AS_WELL = 3, 0.5  # frames to cut out of; of how well the best one shows it
_SUPPORT_FLOOR = 0.15  # of motion that the picture does not show
_PREFERRED_COST = 0.3  # of how well a frame shows it, at the far end of the survey


@dataclass(frozen=True, eq=False, slots=True)
class Refined:
    """A candidate on one source frame.

    Args:
        mask: Shape (H, W), of the source's size, never empty.
        box: The tightest box around it.
        point: A point deep inside it.
        negative_points: Points beside it: in the nearest other candidates, else just outside.
        agreement: Intersection over union of the precise and the rough mask, in [0, 1]. A
            precise mask that agrees too little is not used, and the rough one returned.
    """

    mask: BoolArray
    box: Box
    point: Point
    negative_points: tuple[Point, ...]
    agreement: float


def refine_on_frame(
    video: VideoSource, survey: Survey, candidate: Candidate, *, frame: int
) -> Refined | None:
    """Cut a candidate out of one source frame at full size.

    Args:
        video: The video that was surveyed.
        survey: The survey.
        candidate: One of its candidates.
        frame: Frame index of the source, preferably one of ``survey.frames``; between those
            the mask of the nearest one only shows roughly where to look.

    Returns:
        The candidate on that frame; None if it was not visible at the nearest surveyed frame.

    Raises:
        ConfigError: If the frame lies outside the surveyed window.
        VideoError: If the frame cannot be decoded.
    """
    if frame not in survey.window:
        raise ConfigError(
            f"frame {frame} lies outside the surveyed window "
            f"[{survey.window.start}, {survey.window.stop})"
        )
    return _refine(video[frame], survey, candidate, frame=frame)


def _refine(image: Frame, survey: Survey, candidate: Candidate, *, frame: int) -> Refined | None:
    distances = [abs(index - frame) for index in survey.frames]
    position = int(np.argmin(distances))
    rough = candidate.mask(position)
    if rough is None:
        return None
    others = [
        mask
        for other in survey.candidates
        if other.candidate_id != candidate.candidate_id
        and (mask := other.mask(position)) is not None
        and not _is_inside(mask, rough)
    ]
    size = (image.shape[0], image.shape[1])
    softness = _SOFTNESS * (1 + min(3, distances[position]))
    rough_full = _enlarge(rough, size)
    depth = _signed_depth(rough)
    reach = max(_REACH * softness, _REACH_SHARE * float(np.sqrt(rough.sum())))
    far = np.asarray(resize_image((depth < -reach).astype(np.float32), size) > 0.5)
    if distances[position] == 0:
        far |= _inner_area_of_others(others, size)
    hint = RegionHint(
        _search_box(rough_full, size),
        prior=_make_prior(depth, softness),
        prior_weight=_TRUST,
        blocked=far,
    )
    # The rough mask already uses motion; at full size its blur would do harm.
    precise = cut_region(image, MotionEvidence(()), hint).mask
    agreement = iou(precise, rough_full)
    mask = precise if agreement >= _LEAST_AGREEMENT else rough_full
    return Refined(
        mask,
        bounding_box(mask),
        inner_points(mask)[0],
        _negative_points(mask, [_enlarge(other, size) for other in others]),
        agreement,
    )


def _is_inside(part: BoolArray, whole: BoolArray) -> bool:
    return int((part & whole).sum()) > _PART * int(part.sum())


def measure_visibility(candidate: Candidate) -> FloatArray:
    """Return how well each surveyed frame shows a candidate, in [0, 1]; 0 if not visible."""
    areas = np.array([0.0 if rle is None else float(rle.area) for rle in candidate.masks])
    if not areas.any():
        return areas
    usual = float(np.median(areas[areas > 0]))
    large = float(np.percentile(areas[areas > 0], 90))
    # A mask far above the usual area has more often leaked than the object has grown.
    sensible = np.minimum(areas / large, 1.0) * np.minimum(
        1.0, _RUN_OVER * usual / np.maximum(areas, 1)
    )
    border = np.where(candidate.cut_by_border, _CUT_BY_BORDER, 1.0)
    clarity = np.array(candidate.clarity) if candidate.clarity else np.ones(len(areas))
    shown: FloatArray = sensible * border * clarity * _measure_steadiness(areas)
    return shown


def _measure_steadiness(areas: FloatArray) -> FloatArray:
    """Return how little the area changes from the neighboring frames, in [0, 1]."""
    seen = np.flatnonzero(areas > 0)
    steady = np.ones(len(areas))
    for place, position in enumerate(seen):
        beside = [seen[p] for p in (place - 1, place + 1) if 0 <= p < len(seen)]
        if beside:
            ratios = np.abs(np.log(areas[position] / areas[beside]))
            steady[position] = float(np.exp(-ratios.mean()))
    return steady


def _signed_depth(mask: BoolArray) -> FloatImage:
    """Return the distance of each pixel to the outline, negative outside, in pixels."""
    import cv2

    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    inside, outside = (
        cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for side in (padded, 1 - padded)
    )
    return np.asarray((inside - outside)[1:-1, 1:-1], dtype=np.float32)


def _make_prior(depth: FloatImage, softness: float) -> FloatImage:
    odds = np.clip(depth / softness, -6, 6)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def _inner_area_of_others(others: Sequence[BoolArray], size: Size) -> BoolArray:
    import cv2

    if not others:
        return np.zeros(size, dtype=bool)
    union = np.any(others, axis=0).astype(np.uint8)
    sure = cv2.erode(union, np.ones((5, 5), np.uint8))
    return np.asarray(resize_image(sure.astype(np.float32), size) > 0.5)


def _search_box(mask: BoolArray, size: Size) -> Box:
    box = bounding_box(mask)
    margin = max(2.0, _SEARCH_MARGIN * max(box.width, box.height))
    wide = Box(box.x1 - margin, box.y1 - margin, box.x2 + margin, box.y2 + margin)
    return wide.clipped(size) or box


def _enlarge(mask: BoolArray, size: Size) -> BoolArray:
    soft = resize_image(mask.astype(np.float32), size)
    full = np.asarray(soft >= 0.5)
    return full if full.any() else np.asarray(soft >= soft.max())


def _negative_points(mask: BoolArray, others: Sequence[BoolArray]) -> tuple[Point, ...]:
    import cv2

    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    near = sorted(others, key=lambda other: float(away[other].min()))
    points = [inner_points(other & ~mask)[0] for other in near if (other & ~mask).any()]
    points = points[:_NUM_NEGATIVE]
    if points:
        return tuple(points)
    # No other candidate nearby: the point deepest inside the band around it.
    reach = max(_BAND_LEAST, _BAND * float(np.sqrt(mask.sum())))
    band = (away > 1) & (away <= 2 * reach)
    return inner_points(band)


def choose_positions(
    survey: Survey, candidates: Sequence[Candidate], *, preferred_frame: int | None = None
) -> tuple[int, ...]:
    """Return for each candidate the surveyed frame that shows it best.

    It is the same frame for all if one frame shows each of them well.

    Args:
        survey: The survey.
        candidates: The chosen candidates, at least one.
        preferred_frame: A frame index near which the choice should lie, other things being equal.
    """
    shown = np.stack([measure_visibility(candidate) for candidate in candidates])
    together = shown.min(axis=0)
    if preferred_frame is not None:
        frames = np.array(survey.frames, dtype=np.float64)
        reach = max(1.0, float(np.ptp(frames)))
        together = together * (1 - _PREFERRED_COST * np.abs(frames - preferred_frame) / reach)
    best = int(np.argmax(together))
    return tuple(
        best if own[best] >= _SHOWN_TOGETHER * own.max() else int(np.argmax(own)) for own in shown
    )


def _refine_where_clearest(
    video: VideoSource, survey: Survey, candidate: Candidate
) -> tuple[int, Refined | None]:
    """Cut a candidate out of the few frames that show it best; return the clearest of these.

    There the cut agrees with the survey, its outline is a step in color, and the picture shows
    that it moves.
    """
    shown = measure_visibility(candidate)
    order = np.argsort(-shown, kind="stable")[:_TRIED]
    best = [int(place) for place in order if shown[place] >= _NEARLY_AS_WELL * shown.max()]

    def cut(position_and_image: tuple[int, Frame]) -> tuple[float, Refined] | None:
        position, image = position_and_image
        refined = _refine(image, survey, candidate, frame=survey.frames[position])
        if refined is None:
            return None
        support = candidate.support[position] if candidate.support else 1.0
        contrast = boundary_contrast(image, refined.mask)
        clear = refined.agreement * contrast * (_SUPPORT_FLOOR + (1 - _SUPPORT_FLOOR) * support)
        return clear, refined

    # Frames are read here alone: a video may be for one thread.
    found = map_in_threads(cut, ((position, video[survey.frames[position]]) for position in best))
    cuts = [
        (one[0], survey.frames[position], one[1])
        for position, one in zip(best, found, strict=True)
        if one is not None
    ]
    if not cuts:
        return survey.frames[best[0]], None
    _, frame, refined = max(cuts, key=lambda cut: cut[0])
    return frame, refined


def make_prompts(
    video: VideoSource,
    measured: MeasuredSurvey,
    choices: Sequence[Choice],
    *,
    labels: Sequence[str],
    preferred_frame: int | None = None,
) -> tuple[Prompt, ...]:
    """Return one prompt for each chosen candidate, ids from 1, best first.

    Each candidate is cut out of its source frame at full size.

    Args:
        video: The video that was surveyed.
        measured: The survey.
        choices: The chosen candidates.
        labels: What each is called.
        preferred_frame: A frame index near which the keyframe should lie, other things being
            equal. Without it, a single candidate is cut out of several frames, and the clearest
            cut taken.
    """
    survey = measured.survey
    by_id = {candidate.candidate_id: candidate for candidate in survey.everything}
    chosen = [by_id[choice.candidate.candidate_id] for choice in choices]
    if len(chosen) == 1 and preferred_frame is None:
        cuts = [_refine_where_clearest(video, survey, chosen[0])]
    else:
        positions = choose_positions(survey, chosen, preferred_frame=preferred_frame)
        frames = [survey.frames[position] for position in positions]
        cuts = [
            (frame, refine_on_frame(video, survey, candidate, frame=frame))
            for frame, candidate in zip(frames, chosen, strict=True)
        ]
    prompts = []
    for number, (choice, label, (frame, refined)) in enumerate(
        zip(choices, labels, cuts, strict=True), start=1
    ):
        if refined is None:
            continue
        prompts.append(
            Prompt(
                number,
                frame,
                box=refined.box,
                points=(refined.point,),
                negative_points=refined.negative_points,
                mask=Rle.encode(refined.mask),
                label=label,
                score=float(min(1.0, max(0.0, choice.score))),
            )
        )
    return tuple(prompts)
