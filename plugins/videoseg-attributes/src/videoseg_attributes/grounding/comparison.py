"""The candidates of an answer as reports show them: on which frame, how judged, which taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from videoseg.types import Box, Candidate, Comparison, Judgement, Size
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.reference_resolution import ACCEPTED
from videoseg_attributes.grounding.resolution import Observation, Resolution

__all__ = ["compare_candidates"]

_MOST_MEASURED = 120  # characters


def compare_candidates(
    candidates: Sequence[MeasuredCandidate],
    resolution: Resolution,
    *,
    size: Size,
    taken: Mapping[int, int],
    keyframe: int | None = None,
    background: frozenset[int] = frozenset(),
) -> Comparison:
    """Return the candidates as they were judged.

    Args:
        candidates: All that were seen.
        resolution: What the query was resolved to among them.
        size: (height, width) of the source.
        taken: By candidate id, the object of the answer that it became.
        keyframe: The frame of the answer, near which candidates are shown if they are visible.
        background: Ids of those that were treated as background and not judged.
    """
    if not candidates:
        return Comparison()
    judged = {one.candidate_id: _list_judgements(one, resolution) for one in candidates}
    positions = _choose_positions(candidates, keyframe)
    merits = next((o.scores for o in resolution.observations if o.scores and not o.words), {})
    return Comparison(
        tuple(
            Candidate(
                one.candidate_id,
                int(one.frames[positions[one.candidate_id]]),
                _box_at(one, positions[one.candidate_id], size),
                judged[one.candidate_id],
                taken.get(one.candidate_id),
                one.label,
                _explain(one, judged[one.candidate_id], merits, taken, background),
            )
            for one in candidates
            if one.candidate_id in positions
        ),
        tuple(int(frame) for frame in candidates[0].frames),
        _explain_decision(resolution, merits, taken),
    )


def _list_judgements(
    candidate: MeasuredCandidate, resolution: Resolution
) -> tuple[Judgement, ...]:
    number = candidate.candidate_id
    found: dict[str, Judgement] = {}
    for item in resolution.observations:
        if item.words and item.words not in found and number in item.measured:
            score = item.scores.get(number)
            measured = item.measured[number][:_MOST_MEASURED]
            found[item.words] = Judgement(item.words, score, measured)
    return tuple(found.values())


def _choose_positions(
    candidates: Sequence[MeasuredCandidate], keyframe: int | None
) -> dict[int, int]:
    """Return for each visible candidate a surveyed position; few different ones in all."""
    frames = candidates[0].frames
    away = np.abs(frames - (frames.mean() if keyframe is None else keyframe))
    left = [one for one in candidates if one.visible.any()]
    chosen: dict[int, int] = {}
    while left:
        # The frame that shows the most of what is left, the nearest of these.
        counts = np.sum([one.visible for one in left], axis=0)
        best = min(np.flatnonzero(counts == counts.max()), key=lambda place: float(away[place]))
        chosen |= {one.candidate_id: int(best) for one in left if one.visible[best]}
        left = [one for one in left if not one.visible[best]]
    return chosen


def _box_at(candidate: MeasuredCandidate, position: int, size: Size) -> Box:
    x1, y1, x2, y2 = (float(value) for value in candidate.boxes[position])
    height, width = size
    corners = (x1 * width, y1 * height, x2 * width, y2 * height)
    return Box(*(round(value, 2) for value in corners))


def _explain(
    candidate: MeasuredCandidate,
    judgements: Sequence[Judgement],
    merits: Mapping[int, float],
    taken: Mapping[int, int],
    background: frozenset[int],
) -> str:
    number = candidate.candidate_id
    if number in taken:
        return "taken"
    if number in background:
        return "treated as background"
    scored = [(item.words, item.score) for item in judgements if item.score is not None]
    failed = [words for words, score in scored if score < ACCEPTED]
    if failed:
        return "does not fit " + " and ".join(f"“{words}”" for words in failed)
    if number in merits:
        return "fits, but less likely meant"
    if len(judgements) > len(scored):
        return "another place is asked for"
    return "not taken"


def _explain_decision(
    resolution: Resolution, merits: Mapping[int, float], taken: Mapping[int, int]
) -> str:
    if not taken:
        return ""
    judged: list[Observation] = [item for item in resolution.observations if item.words]
    if not judged:
        return (
            "No word of the query tells them apart, so what stands out most, by its motion, size "
            "and place, was taken."
        )
    if not merits:
        return ""
    order = sorted(merits, key=lambda number: -merits[number])
    listed = ", ".join(f"candidate {number} {merits[number]:.2f}" for number in order)
    return (
        f"{len(order)} fit, more than are asked for. What fits best and stands out most, by its "
        f"motion, size and place, was taken; both together: {listed}."
    )
