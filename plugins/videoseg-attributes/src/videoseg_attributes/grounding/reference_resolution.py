"""Resolves a description to candidates: filter by constraints, exclude, rank, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from videoseg.types import BoolArray
from videoseg_attributes.grounding.constraint_scores import (
    Verdict,
    score_color,
    score_event,
    score_motion,
    score_name,
    score_phases,
    score_position,
    score_size,
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
    RelationIs,
    SizeIs,
)
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.ranking import rank_choices
from videoseg_attributes.grounding.relations import Contacts, score_relation
from videoseg_attributes.grounding.resolution import Choice, Observation, Resolution, classify
from videoseg_attributes.grounding.timing import score_order, select_moments

__all__ = ["ACCEPTED", "Resolver"]

ACCEPTED = 0.5
"""A candidate matches if it scores at least this on every constraint."""

_DOUBTFUL = 0.4  # the best candidate is still taken down to this, if nothing fits better
_LEAST_SCORE = 0.05  # of one constraint, where the closest candidate is looked for
_ANY_OF = frozenset({"on", "with"})  # relations to any of the objects that are meant


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
        chosen = rank_choices(phrase, fitting, observations, self.resolve) if fitting else []
        if fitting and not chosen:
            reason = "too few of the objects that were seen can be compared as the query asks"
            # "Another one than this" may well be the only one.
            self._ran_out = self._ran_out or not without
        chosen, enough = self._take_count(phrase, chosen)
        own = _own_words(phrase.words, phrase.alternatives) if phrase.alternatives else ""
        choices = [replace(choice, words=own) for choice in chosen] if own else list(chosen)
        missing = [own] if phrase.alternatives and not chosen else []
        for place, other in enumerate(phrase.alternatives, start=1):
            further = self.resolve(other, without=without)
            observations += further.observations
            reason = reason or further.reason
            doubtful, enough = doubtful or further.doubtful, enough and further.enough
            words = _own_words(other.words, phrase.alternatives[place:])
            if not further.choices:
                missing.append(words)
            taken = {choice.candidate.candidate_id for choice in choices}
            choices += [
                replace(choice, words=choice.words or words)
                for choice in further.choices
                if choice.candidate.candidate_id not in taken
            ]
        return Resolution(
            tuple(choices),
            observations,
            doubtful,
            enough,
            "" if choices else reason,
            ran_out=self._ran_out,
            missing=tuple(missing),
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
            ids = [candidate.candidate_id for candidate in pool]
            observations.append(
                Observation(
                    classify(constraint),
                    text,
                    denied + constraint.words,
                    dict(zip(ids, (verdict.score for verdict in verdicts), strict=True)),
                    dict(zip(ids, (verdict.measured for verdict in verdicts), strict=True)),
                )
            )
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
            positions = select_moments(when, candidate, self.resolve)
            if positions is None:
                return Verdict(0.0, f'nothing matches "{when.words}"')
        elif when is not None and when.reference is not None and isinstance(constraint, EventIs):
            timing = score_order(candidate, constraint, when, self.resolve)
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


def _own_words(words: str, joined: Sequence[NounPhrase]) -> str:
    """Return the words of a description without those that are joined to it by "and"."""
    for other in joined:
        if words.endswith(other.words) and words != other.words:
            before = words.removesuffix(other.words).rstrip(" ,")
            return before.removesuffix(" and").rstrip(" ,")
    return words


def _list_names(candidates: Sequence[MeasuredCandidate]) -> str:
    return ", ".join(candidate.name for candidate in candidates)
