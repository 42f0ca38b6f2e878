"""Orders what fits a description: by superlatives and ordinals, else by how likely it is meant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg_attributes.grounding.constraint_scores import estimate_nearness, locate_event
from videoseg_attributes.grounding.language import NounPhrase, PositionIs, Ranking
from videoseg_attributes.grounding.language.plan import Event
from videoseg_attributes.grounding.main_object import measure_activity, measure_mainness
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.relations import measure_distance
from videoseg_attributes.grounding.resolution import Choice, Observation, Resolve, classify
from videoseg_attributes.grounding.timing import select_moments
from videoseg_attributes.vision.color import color_membership

__all__ = ["rank_choices"]

_SALIENCY_WEIGHT = 0.35  # how far being the main object decides between candidates that fit alike
_SIDES = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "bottom": (1, 1)}
_FURTHER_WEIGHT, _LEAST_FURTHER = 3.0, 0.3  # for being that share of the frame less far there


def rank_choices(
    phrase: NounPhrase,
    fitting: list[Choice],
    observations: list[Observation],
    resolve: Resolve,
) -> list[Choice]:
    """Return what fits a description in the order of its superlatives, or the likeliest first.

    Args:
        phrase: The description.
        fitting: What satisfies its constraints; at least one.
        observations: What is measured is added here.
        resolve: Resolves descriptions within it.
    """
    measured = measure_mainness([choice.candidate for choice in fitting])
    mainness = dict(zip(map(id, fitting), measured, strict=True))
    strongest = max(measured) or 1.0

    def merit(choice: Choice) -> float:
        salient = mainness[id(choice)] / strongest
        fits = choice.score * _weigh_position(choice, fitting, phrase, resolve)
        return fits * (1 - _SALIENCY_WEIGHT + _SALIENCY_WEIGHT * salient)

    ordered = sorted(fitting, key=merit, reverse=True)
    count = phrase.number.count
    if not phrase.rankings and count is not None and len(ordered) > count:
        observations.append(_describe_merits(ordered, [merit(choice) for choice in ordered]))
    for index, ranking in enumerate(phrase.rankings):
        ordered = _apply_ranking(
            ranking,
            ordered,
            phrase,
            observations,
            resolve,
            is_last=index == len(phrase.rankings) - 1,
        )
        if not ordered:
            break
    return ordered


def _describe_merits(ordered: Sequence[Choice], merits: Sequence[float]) -> Observation:
    """Return by what it was decided between more matches than are wanted."""
    ids = [choice.candidate.candidate_id for choice in ordered]
    listed = ", ".join(
        f"{choice.candidate.name} {merit:.2f}"
        for choice, merit in zip(ordered, merits, strict=True)
    )
    text = f"more match than are wanted; by fit, place and how likely each is meant: {listed}"
    return Observation("linguistic", text, scores=dict(zip(ids, merits, strict=True)))


def _weigh_position(
    choice: Choice, fitting: Sequence[Choice], phrase: NounPhrase, resolve: Resolve
) -> float:
    """Return a factor below 1 if another match lies further to the named side.

    Of several objects in the lower half "the one at the bottom" is the lowest one.
    """
    factor = 1.0
    for constraint in phrase.constraints:
        if not isinstance(constraint, PositionIs) or constraint.negated:
            continue
        positions = (
            select_moments(constraint.when, choice.candidate, resolve) if constraint.when else None
        )
        mine = choice.candidate.center(positions)
        others = [center for c in fitting if (center := c.candidate.center(positions)) is not None]
        for place in constraint.places:
            if mine is None or place not in _SIDES:
                continue
            axis, sign = _SIDES[place]
            behind = max(sign * center[axis] for center in others) - sign * mine[axis]
            factor *= max(_LEAST_FURTHER, 1 - _FURTHER_WEIGHT * behind)
    return factor


def _apply_ranking(
    ranking: Ranking,
    ordered: list[Choice],
    phrase: NounPhrase,
    observations: list[Observation],
    resolve: Resolve,
    *,
    is_last: bool,
) -> list[Choice]:
    values = {
        choice.candidate.candidate_id: _measure_key(choice.candidate, ranking, resolve)
        for choice in ordered
    }
    comparable = [c for c in ordered if np.isfinite(values[c.candidate.candidate_id])]
    comparable.sort(
        key=lambda choice: values[choice.candidate.candidate_id], reverse=ranking.descending
    )
    listed = ", ".join(
        f"{c.candidate.name} {values[c.candidate.candidate_id]:.3f}" for c in comparable
    )
    places = enumerate(comparable, start=1)
    observations.append(
        Observation(
            classify(ranking),
            f'"{ranking.words}" by {ranking.key}: {listed}',
            ranking.words,
            measured={c.candidate.candidate_id: f"place {place}" for place, c in places},
        )
    )
    if ranking.negated:
        return comparable[1:]
    count = phrase.number.count if is_last and phrase.number.count else 1
    return comparable[ranking.rank - 1 : ranking.rank - 1 + count]


def _measure_key(candidate: MeasuredCandidate, ranking: Ranking, resolve: Resolve) -> float:
    positions = (
        select_moments(ranking.when, candidate, resolve) if ranking.when is not None else None
    )
    center = candidate.center(positions)
    match ranking.key:
        case "area":
            return candidate.size
        case "width" | "height":
            return candidate.extent(0 if ranking.key == "width" else 1)
        case "speed":
            return candidate.speed
        case "activity":
            return measure_activity(candidate)
        case "travel":
            return candidate.displacement
        case "left" | "right":
            x = center[0] if center is not None else np.nan
            return 1 - x if ranking.key == "left" else x
        case "top" | "bottom":
            y = center[1] if center is not None else np.nan
            return 1 - y if ranking.key == "top" else y
        case "center" | "edge":
            if center is None:
                return np.nan
            away = float(np.hypot(center[0] - 0.5, center[1] - 0.5))
            return -away if ranking.key == "center" else away
        case "front":
            return estimate_nearness(candidate)
        case "duration":
            return float(candidate.visible.mean())
        case "growing":
            return candidate.growth
        case "lightness":
            light = color_membership("any", shade="light")
            return float(candidate.colors @ light) / max(1e-9, float(candidate.colors.sum()))
        case "distance":
            return _measure_distance(candidate, ranking.reference, resolve)
        case "appears":
            return float(candidate.first)
        case "leaves" | "returns" | "starts" | "stops":
            event: Event = ranking.key
            position = locate_event(candidate, event)
            return np.nan if position is None else position


def _measure_distance(
    candidate: MeasuredCandidate, reference: NounPhrase | None, resolve: Resolve
) -> float:
    if reference is None:
        return np.nan
    me = frozenset({candidate.candidate_id})
    meant = resolve(reference).candidates
    if candidate in meant:
        return np.nan  # nothing is the nearest to itself
    gaps = [measure_distance(candidate, other) for other in meant if other.candidate_id not in me]
    return min(gaps, default=np.nan)
