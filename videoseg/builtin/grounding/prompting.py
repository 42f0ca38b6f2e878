"""From chosen candidates to prompts: a keyframe, boxes, points and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videoseg.builtin.grounding.resolving import Choice
from videoseg.builtin.grounding.tracks import Track
from videoseg.types import BoolArray, FloatArray, Point, Prompt, Rle

if TYPE_CHECKING:
    from videoseg.builtin.grounding.surveys import MeasuredSurvey

__all__ = ["choose_positions", "make_prompts"]

_NEGATIVE_POINTS = 2


def choose_positions(
    tracks: Sequence[Track], *, preferred_frame: int | None = None
) -> tuple[int, ...]:
    """Return for each track the surveyed frame on which it is best localised.

    All share one frame where there is one that shows each of them well.

    Args:
        tracks: The chosen candidates, at least one.
        preferred_frame: A frame index near which the choice should lie, other things equal.
    """
    shown = np.stack([_shown(track) for track in tracks])
    together = shown.min(axis=0)
    if preferred_frame is not None:
        frames = tracks[0].frames
        reach = max(1.0, float(np.ptp(frames)))
        together = together * (1 - 0.3 * np.abs(frames - preferred_frame) / reach)
    best = int(np.argmax(together))
    return tuple(
        best if shown[index, best] >= 0.3 * shown[index].max() else int(np.argmax(shown[index]))
        for index in range(len(tracks))
    )


def _shown(track: Track) -> FloatArray:
    """Return how well each surveyed frame shows a track, in [0, 1]; 0 where it is not there."""
    usual = max(track.usual_area, 1e-9)
    # Too much is as bad as too little: there, something else has been taken for a part of it.
    surplus = np.abs(np.log(np.maximum(track.areas, 1e-9) / usual))
    steady = np.abs(np.log(np.maximum(track.areas, 1e-9) / np.maximum(_local(track), 1e-9)))
    clear = np.where(track.cut, 0.6, 1.0)
    shown: FloatArray = np.where(
        track.visible, 0.02 + 0.98 * clear * np.exp(-2.0 * surplus - 2.0 * steady), 0.0
    )
    return shown


def _local(track: Track) -> FloatArray:
    """Return the median area around each surveyed frame, for things that come nearer."""
    padded = np.pad(track.areas, 2, mode="edge")
    around = np.stack([padded[shift : shift + len(track.areas)] for shift in range(5)])
    local: FloatArray = np.median(around, axis=0)
    return local


def make_prompts(
    measured: MeasuredSurvey,
    choices: Sequence[Choice],
    *,
    label: str,
    preferred_frame: int | None = None,
) -> tuple[Prompt, ...]:
    """Return one prompt for each chosen candidate, ids from 1, best first."""
    survey = measured.survey
    by_id = {candidate.candidate_id: candidate for candidate in survey.candidates}
    positions = choose_positions(
        [choice.track for choice in choices], preferred_frame=preferred_frame
    )
    chosen_ids = {choice.track.candidate_id for choice in choices}
    prompts = []
    for number, (choice, position) in enumerate(zip(choices, positions, strict=True), start=1):
        candidate = by_id[choice.track.candidate_id]
        small = candidate.mask(position)
        if small is None:
            continue
        frame = survey.frames[position]
        mask = _full_size(_main_parts(small), survey.source_size)
        rle = Rle.encode(mask)
        neighbours = [
            (other.candidate_id in chosen_ids, by_id[other.candidate_id].mask(position), other)
            for other in measured.tracks
            if other is not choice.track and other.visible[position]
        ]
        neighbours.sort(key=lambda item: _apart(choice.track, item[2], position))
        negatives = [
            _inner_point(_full_size(other, survey.source_size))
            for _, other, _ in neighbours[:_NEGATIVE_POINTS]
            if other is not None
        ]
        prompts.append(
            Prompt(
                number,
                frame,
                box=rle.box,
                points=(_inner_point(mask),),
                negative_points=tuple(negatives),
                mask=rle,
                label=label,
                score=float(min(1.0, max(0.0, choice.score))),
            )
        )
    return tuple(prompts)


def _main_parts(mask: BoolArray) -> BoolArray:
    """Keep the largest part of a mask and those not much smaller; the rest are specks."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= 0.25 * areas.max())
    return np.asarray(np.isin(labels, kept))


def _apart(track: Track, other: Track, position: int) -> float:
    return float(np.hypot(*(track.centers[position] - other.centers[position])))


def _full_size(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    """Enlarge a mask smoothly to the source's size; never empty if it was not."""
    import cv2

    if mask.shape == tuple(size):
        return mask
    soft = cv2.resize(
        mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR
    )
    full = np.asarray(soft >= 0.5)
    return full if full.any() else np.asarray(soft >= soft.max())


def _inner_point(mask: BoolArray) -> Point:
    """Return the pixel centre deepest inside a mask."""
    import cv2

    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return Point(float(column) + 0.5, float(row) + 0.5)
