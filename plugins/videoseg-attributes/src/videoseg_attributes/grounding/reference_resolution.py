"""Resolves a description to candidates: filter by constraints, exclude, rank, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

from videoseg.types import BoolArray
from videoseg_attributes.grounding.constraint_scores import (
    Verdict,
    estimate_nearness,
    locate_event,
    score_color,
    score_event,
    score_motion,
    score_name,
    score_phases,
    score_position,
    score_size,
    select_positions,
)
from videoseg_attributes.grounding.language import (
    ColorIs,
    Constraint,
    EventIs,
    MotionIs,
    NameIs,
    NounPhrase,
    Number,
    Phases,
    PositionIs,
    Ranking,
    RelationIs,
    SizeIs,
    When,
)
from videoseg_attributes.grounding.language.plan import Event
from videoseg_attributes.grounding.measurements import MeasuredCandidate, ramp
from videoseg_attributes.grounding.relations import Contacts, measure_distance, score_relation
from videoseg_attributes.vision.color import color_membership

__all__ = ["ACCEPTED", "Aspect", "Choice", "Observation", "Resolution", "Resolver"]

Aspect: TypeAlias = Literal["temporal", "spatial", "linguistic"]

ACCEPTED = 0.5
"""A candidate matches if it scores at least this on every constraint."""

_DOUBTFUL = 0.4  # the best candidate is still taken down to this, if nothing fits better
_LEAST_SCORE = 0.05  # of one constraint, where the closest candidate is looked for
_SALIENCY_WEIGHT = 0.35  # how far saliency decides between candidates that fit alike
_SIDES = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "bottom": (1, 1)}
_FURTHER_WEIGHT, _LEAST_FURTHER = 3.0, 0.3  # for being that share of the frame less far there
_ANY_OF = frozenset({"on", "with"})  # relations to any of the objects that are meant
_AFTER_FROM, _AFTER_FULLY = -0.5, 0.6  # surveyed frames between two events


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate that a description refers to.

    Args:
        candidate: The candidate.
        score: How well it matches, in [0, 1]: the product of its constraints' scores.
    """

    candidate: MeasuredCandidate
    score: float


@dataclass(frozen=True, slots=True)
class Observation:
    """One statement about the candidates, and the kind of reasoning it belongs to."""

    aspect: Aspect
    text: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The candidates a description refers to, and why.

    Args:
        choices: The candidates, best first; empty if none matches.
        observations: What was measured, one statement each, in order.
        doubtful: Whether the choice matches only barely.
        enough: Whether there are as many choices as the description asks for.
        reason: Why no candidate matches; empty if one does.
        ran_out: Whether fewer objects were seen than the description, or one within it, counts
            through ("the sixth from the left"); there may be more than were seen.
    """

    choices: tuple[Choice, ...]
    observations: list[Observation] = field(default_factory=list)
    doubtful: bool = False
    enough: bool = True
    reason: str = ""
    ran_out: bool = False

    @property
    def candidates(self) -> tuple[MeasuredCandidate, ...]:
        """The chosen candidates."""
        return tuple(choice.candidate for choice in self.choices)


class Resolver:
    """Resolves descriptions against the candidates of one survey.

    Args:
        candidates: The measured candidates.
        contacts: Which candidates cover which.
    """

    def __init__(self, candidates: Sequence[MeasuredCandidate], contacts: Contacts) -> None:
        self.candidates = tuple(candidates)
        self.contacts = contacts
        self._ran_out = False
        self._known: dict[tuple[int, frozenset[int]], Resolution] = {}
        self._plurals: dict[int, NounPhrase] = {}  # of phrases of the queries, which outlive this
        self._phrases: list[NounPhrase] = []  # keeps ids in the memory above from being reused

    def resolve(self, phrase: NounPhrase, *, without: frozenset[int] = frozenset()) -> Resolution:
        """Return the candidates a description refers to.

        Args:
            phrase: The description.
            without: Ids of candidates to leave out.
        """
        key = (id(phrase), without)
        if key not in self._known:
            self._phrases.append(phrase)
            self._known[key] = self._resolve(phrase, without)
        return self._known[key]

    def _resolve(self, phrase: NounPhrase, without: frozenset[int]) -> Resolution:
        observations: list[Observation] = []
        pool = [
            candidate for candidate in self.candidates if candidate.candidate_id not in without
        ]
        if phrase.within is not None:
            group = self.resolve(phrase.within, without=without)
            observations += group.observations
            if not group.choices:
                return Resolution((), observations, reason=group.reason, ran_out=self._ran_out)
            pool = list(group.candidates)
            observations.append(
                Observation(
                    "linguistic", f'the group "{phrase.within.words}" is {_list_names(pool)}'
                )
            )
        fitting, doubtful, reason = self._filter(phrase, pool, observations)
        fitting = self._exclude(phrase, fitting, observations)
        if not reason and not fitting:
            reason = "the query excludes every match"
        chosen = self._rank(phrase, fitting, observations) if fitting else []
        if fitting and not chosen:
            reason = "too few of the objects that were seen can be compared as the query asks"
            # "Another one than this" may well be the only one.
            self._ran_out = self._ran_out or not without
        chosen, enough = self._take_count(phrase, chosen)
        choices = list(chosen)
        for other in phrase.alternatives:
            further = self.resolve(other, without=without)
            observations += further.observations
            reason = reason or further.reason
            taken = {choice.candidate.candidate_id for choice in choices}
            choices += [c for c in further.choices if c.candidate.candidate_id not in taken]
        return Resolution(
            tuple(choices),
            observations,
            doubtful,
            enough,
            "" if choices else reason,
            ran_out=self._ran_out,
        )

    # -- filtering ---------------------------------------------------------------------------

    def _filter(
        self,
        phrase: NounPhrase,
        pool: Sequence[MeasuredCandidate],
        observations: list[Observation],
    ) -> tuple[list[Choice], bool, str]:
        if not pool:
            return [], False, "there are no candidates"
        scores: dict[int, list[float]] = {candidate.candidate_id: [] for candidate in pool}
        contradicted: list[str] = []
        for constraint in phrase.constraints:
            if not isinstance(constraint, NameIs):
                # "The small dog" is small among dogs.
                pool = _of_the_kind(phrase, pool) or pool
            verdicts = [self._score(candidate, constraint, pool) for candidate in pool]
            for candidate, verdict in zip(pool, verdicts, strict=True):
                scores[candidate.candidate_id].append(verdict.score)
            shown = [
                f"{candidate.name} scores {verdict.score:.2f} ({verdict.measured})"
                for candidate, verdict in zip(pool, verdicts, strict=True)
            ]
            denied = "not " if constraint.negated else ""
            text = f'"{denied}{constraint.words}": ' + "; ".join(shown)
            observations.append(Observation(_classify(constraint), text))
            if max(verdict.score for verdict in verdicts) < _DOUBTFUL:
                contradicted.append(f'"{denied}{constraint.words}"')
        pool = _of_the_kind(phrase, pool) or pool
        fitting = [
            Choice(candidate, float(np.prod(scores[candidate.candidate_id])))
            for candidate in pool
            if min(scores[candidate.candidate_id], default=1.0) >= ACCEPTED
        ]
        if fitting:
            return fitting, False, ""
        best = max(pool, key=lambda candidate: float(np.prod(scores[candidate.candidate_id])))
        if min(scores[best.candidate_id]) >= _DOUBTFUL:
            return [Choice(best, float(np.prod(scores[best.candidate_id])))], True, ""
        why = (
            f"every object that was seen contradicts {' and '.join(contradicted)}"
            if contradicted
            else "no object that was seen matches all parts of the query"
        )
        return [], False, why

    def score_worst(
        self,
        phrase: NounPhrase,
        candidate: MeasuredCandidate,
        pool: Sequence[MeasuredCandidate],
    ) -> float:
        """Return the lowest score of a candidate on any constraint, those of its group too."""
        own = [self._score(candidate, constraint, pool).score for constraint in phrase.constraints]
        if phrase.within is not None:
            own.append(self.score_worst(phrase.within, candidate, pool))
        return min(own, default=1.0)

    def score_all(
        self,
        phrase: NounPhrase,
        candidate: MeasuredCandidate,
        pool: Sequence[MeasuredCandidate],
        *,
        but: Sequence[Constraint] = (),
    ) -> float:
        """Return the product of a candidate's scores, none of which rules it out alone."""
        own = [
            max(_LEAST_SCORE, self._score(candidate, constraint, pool).score)
            for constraint in phrase.constraints
            if constraint not in but
        ]
        if phrase.within is not None:
            own.append(self.score_all(phrase.within, candidate, pool, but=but))
        return float(np.prod(own))

    def _score(
        self,
        candidate: MeasuredCandidate,
        constraint: Constraint,
        pool: Sequence[MeasuredCandidate],
    ) -> Verdict:
        positions: BoolArray | None = None
        timing: Verdict | None = None
        when = constraint.when
        if when is not None and not isinstance(constraint, EventIs):
            positions = self._select_positions(when, candidate)
            if positions is None:
                return Verdict(0.0, f'nothing matches "{when.words}"')
        elif when is not None and when.reference is not None and isinstance(constraint, EventIs):
            timing = self._score_order(candidate, constraint, when)
        verdict = self._score_untimed(candidate, constraint, positions, pool)
        if timing is not None:
            verdict = Verdict(
                min(verdict.score, timing.score), f"{verdict.measured}, {timing.measured}"
            )
        return verdict.denied() if constraint.negated else verdict

    def _score_untimed(
        self,
        candidate: MeasuredCandidate,
        constraint: Constraint,
        positions: BoolArray | None,
        pool: Sequence[MeasuredCandidate],
    ) -> Verdict:
        if isinstance(constraint, NameIs):
            return score_name(candidate, constraint)
        if isinstance(constraint, ColorIs):
            return score_color(candidate, constraint)
        if isinstance(constraint, SizeIs):
            return score_size(candidate, constraint, pool)
        if isinstance(constraint, PositionIs):
            return score_position(candidate, constraint, positions, self.candidates)
        if isinstance(constraint, MotionIs):
            return score_motion(candidate, constraint, positions, self.candidates)
        if isinstance(constraint, EventIs):
            return score_event(candidate, constraint)
        if isinstance(constraint, Phases):
            return score_phases(candidate, constraint, self.candidates)
        return self._score_relation(candidate, constraint, positions)

    def _score_relation(
        self, candidate: MeasuredCandidate, constraint: RelationIs, positions: BoolArray | None
    ) -> Verdict:
        references: list[MeasuredCandidate] = []
        me = frozenset({candidate.candidate_id})
        if constraint.relation in _ANY_OF:
            return self._score_contact(candidate, constraint, positions)
        for phrase in constraint.references:
            if phrase.rest:
                references += [other for other in self.candidates if other is not candidate]
                continue
            meant = self.resolve(phrase)
            if candidate in meant.candidates:
                # "the red one left of the red one": the other red one, if there is another.
                meant = self.resolve(phrase, without=me)
            if not meant.choices:
                return Verdict(0.0, f'no other object matches "{phrase.words}"')
            references += meant.candidates
        return score_relation(
            candidate,
            constraint.relation,
            references,
            others=self.candidates,
            contacts=self.contacts,
            positions=positions,
        )

    def _all_of(self, phrase: NounPhrase) -> NounPhrase:
        """Return a description of all that one describes, always the same for the same."""
        if phrase.number.count is None:
            return phrase
        return self._plurals.setdefault(id(phrase), replace(phrase, number=Number(None)))

    def _score_contact(
        self, candidate: MeasuredCandidate, constraint: RelationIs, positions: BoolArray | None
    ) -> Verdict:
        """Score a relation that holds to any of several: "on a horse" is on one of the horses."""
        (phrase,) = constraint.references
        me = frozenset({candidate.candidate_id})
        meant = self.resolve(self._all_of(phrase), without=me).candidates
        verdicts = [
            score_relation(
                candidate,
                constraint.relation,
                [other],
                others=self.candidates,
                contacts=self.contacts,
                positions=positions,
            )
            for other in meant
        ]
        missing = Verdict(0.0, f'no other object matches "{phrase.words}"')
        return max(verdicts, key=lambda verdict: verdict.score, default=missing)

    # -- time --------------------------------------------------------------------------------

    def _select_positions(self, when: When, candidate: MeasuredCandidate) -> BoolArray | None:
        """Return the surveyed frames that a time refers to; None if it never comes."""
        count = len(candidate.visible)
        if when.part is not None:
            return select_positions(count, when.part)
        if when.reference is None or when.order is None:
            return np.ones(count, dtype=bool)
        others = self.resolve(
            when.reference, without=frozenset({candidate.candidate_id})
        ).candidates
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

    def _score_order(
        self, candidate: MeasuredCandidate, constraint: EventIs, when: When
    ) -> Verdict:
        """Score whether an event of a candidate comes before or after one of another."""
        if when.reference is None:
            return Verdict(1.0, "")
        others = self.resolve(
            when.reference, without=frozenset({candidate.candidate_id})
        ).candidates
        if not others:
            return Verdict(0.0, f'no other object matches "{when.reference.words}"')
        reference = others[0]
        event: Event = when.event or constraint.event
        at = locate_event(reference, event)
        if at is None and event == "appears":
            at = float(reference.first)
        mine = locate_event(candidate, constraint.event)
        if at is None or mine is None:
            return Verdict(
                0.0, f"{reference.name} never {event}" if at is None else "it never does"
            )
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

    # -- choosing ----------------------------------------------------------------------------

    def _exclude(
        self, phrase: NounPhrase, fitting: list[Choice], observations: list[Observation]
    ) -> list[Choice]:
        for other in phrase.excluded:
            within = frozenset(
                candidate.candidate_id
                for candidate in self.candidates
                if all(candidate is not choice.candidate for choice in fitting)
            )
            meant = self.resolve(other, without=within)
            out = {candidate.candidate_id for candidate in meant.candidates}
            if meant.choices:
                text = f'excluded "{other.words}": {_list_names(meant.candidates)}'
                observations.append(Observation("linguistic", text))
            fitting = [choice for choice in fitting if choice.candidate.candidate_id not in out]
        return fitting

    def _rank(
        self, phrase: NounPhrase, fitting: list[Choice], observations: list[Observation]
    ) -> list[Choice]:
        strongest = max(choice.candidate.saliency for choice in fitting) or 1.0

        def merit(choice: Choice) -> float:
            salient = choice.candidate.saliency / strongest
            fits = choice.score * self._weigh_position(choice, fitting, phrase)
            return fits * (1 - _SALIENCY_WEIGHT + _SALIENCY_WEIGHT * salient)

        ordered = sorted(fitting, key=merit, reverse=True)
        for index, ranking in enumerate(phrase.rankings):
            ordered = self._apply_ranking(
                ranking, ordered, phrase, observations, is_last=index == len(phrase.rankings) - 1
            )
            if not ordered:
                break
        return ordered

    def _weigh_position(
        self, choice: Choice, fitting: Sequence[Choice], phrase: NounPhrase
    ) -> float:
        """Return a factor below 1 if another match lies further to the named side.

        Of several objects in the lower half "the one at the bottom" is the lowest one.
        """
        factor = 1.0
        for constraint in phrase.constraints:
            if not isinstance(constraint, PositionIs) or constraint.negated:
                continue
            positions = (
                self._select_positions(constraint.when, choice.candidate)
                if constraint.when
                else None
            )
            mine = choice.candidate.center(positions)
            others = [
                center for c in fitting if (center := c.candidate.center(positions)) is not None
            ]
            for place in constraint.places:
                if mine is None or place not in _SIDES:
                    continue
                axis, sign = _SIDES[place]
                behind = max(sign * center[axis] for center in others) - sign * mine[axis]
                factor *= max(_LEAST_FURTHER, 1 - _FURTHER_WEIGHT * behind)
        return factor

    def _apply_ranking(
        self,
        ranking: Ranking,
        ordered: list[Choice],
        phrase: NounPhrase,
        observations: list[Observation],
        *,
        is_last: bool,
    ) -> list[Choice]:
        values = {
            choice.candidate.candidate_id: self._measure_key(choice.candidate, ranking)
            for choice in ordered
        }
        comparable = [c for c in ordered if np.isfinite(values[c.candidate.candidate_id])]
        comparable.sort(
            key=lambda choice: values[choice.candidate.candidate_id], reverse=ranking.descending
        )
        listed = ", ".join(
            f"{c.candidate.name} {values[c.candidate.candidate_id]:.3f}" for c in comparable
        )
        observations.append(
            Observation(_classify(ranking), f'"{ranking.words}" by {ranking.key}: {listed}')
        )
        if ranking.negated:
            return comparable[1:]
        count = phrase.number.count if is_last and phrase.number.count else 1
        return comparable[ranking.rank - 1 : ranking.rank - 1 + count]

    def _measure_key(self, candidate: MeasuredCandidate, ranking: Ranking) -> float:
        positions = (
            self._select_positions(ranking.when, candidate) if ranking.when is not None else None
        )
        center = candidate.center(positions)
        match ranking.key:
            case "area":
                return candidate.size
            case "width" | "height":
                return candidate.extent(0 if ranking.key == "width" else 1)
            case "speed":
                return candidate.speed
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
                return self._measure_distance(candidate, ranking.reference)
            case "appears":
                return float(candidate.first)
            case "leaves" | "returns" | "starts" | "stops":
                event: Event = ranking.key
                position = locate_event(candidate, event)
                return np.nan if position is None else position

    def _measure_distance(
        self, candidate: MeasuredCandidate, reference: NounPhrase | None
    ) -> float:
        if reference is None:
            return np.nan
        me = frozenset({candidate.candidate_id})
        meant = self.resolve(reference).candidates
        if candidate in meant:
            return np.nan  # nothing is the nearest to itself
        gaps = [
            measure_distance(candidate, other) for other in meant if other.candidate_id not in me
        ]
        return min(gaps, default=np.nan)

    def _take_count(self, phrase: NounPhrase, chosen: list[Choice]) -> tuple[list[Choice], bool]:
        count = phrase.number.count
        if count is None or not chosen:
            return chosen, True
        return chosen[:count], len(chosen) >= count


def _of_the_kind(
    phrase: NounPhrase, pool: Sequence[MeasuredCandidate]
) -> Sequence[MeasuredCandidate]:
    """Return those of the candidates that were surely found as what a description names."""
    named = [item for item in phrase.constraints if isinstance(item, NameIs)]
    return [
        candidate
        for candidate in pool
        if all(score_name(candidate, item).score >= ACCEPTED for item in named)
    ]


def _classify(item: Constraint | Ranking) -> Aspect:
    timed = isinstance(item, (EventIs, MotionIs, Phases)) or item.when is not None
    if isinstance(item, Ranking):
        timed = timed or item.key in (
            "speed", "travel", "appears", "leaves", "returns", "starts", "stops", "duration",
            "growing",
        )  # fmt: skip
    return "temporal" if timed else "spatial"


def _list_names(candidates: Sequence[MeasuredCandidate]) -> str:
    return ", ".join(candidate.name for candidate in candidates)
