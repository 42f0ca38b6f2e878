"""Times that refer to other objects: "after the red one leaves"."""

from __future__ import annotations

import numpy as np

from videoseg.types import BoolArray
from videoseg_attributes.grounding.constraint_scores import (
    Verdict,
    locate_event,
    select_positions,
)
from videoseg_attributes.grounding.language import EventIs, When
from videoseg_attributes.grounding.language.plan import Event
from videoseg_attributes.grounding.measurements import MeasuredCandidate, ramp
from videoseg_attributes.grounding.resolution import Resolve

__all__ = ["score_order", "select_moments"]

_AFTER_FROM, _AFTER_FULLY = -0.5, 0.6  # surveyed frames between two events


def select_moments(when: When, candidate: MeasuredCandidate, resolve: Resolve) -> BoolArray | None:
    """Return the surveyed frames that a time refers to; None if it never comes."""
    count = len(candidate.visible)
    if when.part is not None:
        return select_positions(count, when.part)
    if when.reference is None or when.order is None:
        return np.ones(count, dtype=bool)
    others = resolve(when.reference, without=frozenset({candidate.candidate_id})).candidates
    if not others:
        return None
    reference = others[0]
    places = np.arange(count)
    if when.order == "while":
        if when.event in ("starts", None):
            during = reference.visible & (
                reference.find_moving() if when.event == "starts" else True
            )
            return np.asarray(during)
        return np.asarray(reference.visible)
    at = locate_event(reference, when.event or "present")
    if at is None:
        return None
    return np.asarray(places > at if when.order == "after" else places < at)


def score_order(
    candidate: MeasuredCandidate, constraint: EventIs, when: When, resolve: Resolve
) -> Verdict:
    """Score whether an event of a candidate comes before or after one of another."""
    if when.reference is None:
        return Verdict(1.0, "")
    others = resolve(when.reference, without=frozenset({candidate.candidate_id})).candidates
    if not others:
        return Verdict(0.0, f'no other object matches "{when.reference.words}"')
    reference = others[0]
    event: Event = when.event or constraint.event
    at = locate_event(reference, event)
    if at is None and event == "appears":
        at = float(reference.first)
    mine = locate_event(candidate, constraint.event)
    if at is None or mine is None:
        return Verdict(0.0, f"{reference.name} never {event}" if at is None else "it never does")
    later = mine - at
    if when.order == "while":
        together = float(np.mean(reference.visible[candidate.visible]))
        return Verdict(together, f"{reference.name} is visible for {together:.2f} of its time")
    ahead = later if when.order == "after" else -later
    return Verdict(
        ramp(ahead, _AFTER_FROM, _AFTER_FULLY),
        f"{abs(later):.1f} surveyed frames {'after' if later > 0 else 'before'} "
        f"{reference.name} {event}",
    )
