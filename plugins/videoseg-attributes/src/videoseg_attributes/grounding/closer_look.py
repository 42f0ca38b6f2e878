"""What a closer survey says of the candidates of an overview: which they are, and when away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from videoseg_attributes.grounding.language import EventIs, QueryPlan
from videoseg_attributes.grounding.measured_survey import MeasuredSurvey
from videoseg_attributes.grounding.resolution import Choice
from videoseg_attributes.regions.survey import Candidate, Survey

__all__ = ["confirm_absences", "match_candidates"]

# Set by hand on the drawn clips; not measured separately.
_SAME_CANDIDATE = 0.45  # intersection over union of a candidate in two surveys


def match_candidates(
    overview: MeasuredSurvey, dense: MeasuredSurvey, choices: Sequence[Choice]
) -> tuple[Choice, ...] | None:
    """Find the chosen candidates again in a closer survey; None unless all are found."""
    old = {candidate.candidate_id: candidate for candidate in overview.survey.everything}
    new = {candidate.candidate_id: candidate for candidate in dense.survey.candidates}
    found: list[Choice] = []
    taken: set[int] = set()
    for choice in choices:
        best, best_overlap = None, _SAME_CANDIDATE
        for candidate in dense.candidates:
            if candidate.candidate_id in taken:
                continue
            overlap = _mean_overlap(
                overview.survey, old[choice.candidate.candidate_id],
                dense.survey, new[candidate.candidate_id],
            )  # fmt: skip
            if overlap > best_overlap:
                best, best_overlap = candidate, overlap
        if best is None:
            return None
        taken.add(best.candidate_id)
        found.append(replace(choice, candidate=best))
    return tuple(found)


def confirm_absences(
    plan: QueryPlan,
    dense: MeasuredSurvey,
    choices: Sequence[Choice],
    found: Sequence[Choice],
) -> tuple[Choice, ...]:
    """Keep what the closer survey confirms to be away for a while, if the query asks for that.

    A sparse survey may miss an object on a single frame although it is always visible.
    """
    asked = any(
        isinstance(item, EventIs)
        and item.event in ("returns", "hidden")
        and item.when is None
        and not item.negated
        for item in plan.target.constraints
    )
    if not asked:
        return tuple(found)
    window = dense.survey.window
    kept = []
    for before, choice in zip(choices, found, strict=True):
        candidate = before.candidate
        inside = [
            (start, stop)
            for start, stop in candidate.gaps
            if int(candidate.frames[start - 1]) in window and int(candidate.frames[stop]) in window
        ]
        if len(inside) < len(candidate.gaps) or choice.candidate.gaps:
            kept.append(choice)
    return tuple(kept)


def _mean_overlap(first: Survey, one: Candidate, second: Survey, other: Candidate) -> float:
    if first.size != second.size:
        return 0.0
    spacing = max(1.0, len(first.window) / max(1, len(first.frames))) / 2
    overlaps = []
    places = np.array(second.frames)
    for position, frame in enumerate(first.frames):
        nearest = int(np.argmin(np.abs(places - frame)))
        if abs(int(places[nearest]) - frame) > spacing:
            continue
        a, b = one.mask(position), other.mask(nearest)
        if a is None or b is None:
            if (a is None) != (b is None):
                overlaps.append(0.0)
            continue
        overlaps.append(float((a & b).sum() / max(1, (a | b).sum())))
    return float(np.mean(overlaps)) if overlaps else 0.0
