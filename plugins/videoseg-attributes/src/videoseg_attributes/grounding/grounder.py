"""The grounder ``attributes``: finds objects by color, size, place, motion, time and number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Comparison, Episode, Grounding, Look, Move, Thought, Window
from videoseg_attributes.grounding.closer_look import confirm_absences, match_candidates
from videoseg_attributes.grounding.comparison import compare_candidates
from videoseg_attributes.grounding.explanation import (
    PLAUSIBLE,
    describe_closer_look,
    describe_placement,
    describe_plan,
    describe_survey,
    has_plausible,
    join_texts,
    make_label,
    make_warnings,
    select_texts,
)
from videoseg_attributes.grounding.language import (
    KnownNouns,
    NounPhrase,
    QueryPlan,
    parse_query,
)
from videoseg_attributes.grounding.main_object import measure_mainness
from videoseg_attributes.grounding.measured_survey import (
    MeasuredSurvey,
    SurveyCache,
)
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.name_finder import NameFinder
from videoseg_attributes.grounding.named_answers import answer_by_name
from videoseg_attributes.grounding.prompts import make_prompts
from videoseg_attributes.grounding.reference_resolution import Resolver
from videoseg_attributes.grounding.relations import Contacts
from videoseg_attributes.grounding.resolution import (
    QUESTION_CONFIDENCE,
    Choice,
    Resolution,
    doubt_question,
)
from videoseg_attributes.regions.frames import usual_num_frames
from videoseg_attributes.regions.survey import Survey, survey_window

__all__ = ["AttributesGrounder"]

_NUM_DETECTED = 24  # frames on which a detector looks
_LONG_WINDOW = 1200  # frames; beyond, a survey is too sparse to follow anything

# Set by hand on the drawn clips; not measured separately.
_CUT_WEIGHT = 0.6  # for a frame on which the candidate touches the border
_NEARLY_ALL = 0.9  # of the window: a closer look at this much would show nothing new
_DOUBTFUL_CONFIDENCE = 0.7  # factor
_ABSENT_CONFIDENCE = 0.7  # of "not in this video", where candidates were found
_NOT_FOUND = "the detector does not know it, or found nothing as it"


class AttributesGrounder:
    """Finds the objects a query describes by measurable attributes, without a model.

    It surveys the window for candidate objects, measures each, and scores it on each part of the
    query. The most salient candidate that matches is returned. Words it does not understand
    (nouns, above all) are reported in a warning and make the answer ``guessed``; so do queries
    that describe no object, such as questions for a number, and other languages than English.
    If every candidate contradicts the query, the answer is ``absent``: not in this video. If
    there are no candidates, or only a part of a long video was looked at, that nothing fits is
    a guess, too; so is what is compared, counted or ordered in time in such a part, and an
    ordinal beyond the objects that were seen; and some of several objects that are asked for.

    With a ``detector``, nouns that it knows are judged: what it finds by them on ``num_frames``
    frames is linked to tracks, and the rest of the query chooses among these. A thing is
    ``absent`` if, on frames that lie close enough together, the detector saw other things, but
    none by this name, or if everything by this name contradicts the rest.

    Args:
        num_frames: Frames of one survey, and those on which the detector looks; by default 24,
            and 18 for the survey of up to 250 frames.
        max_candidates: How many candidates one survey keeps.
        detector: Finds things by their names: the name of a component such as ``yolox``, a
            mapping with ``name`` and ``options``, ``videoseg.use(...)``, or an instance. By
            default there is none, and no noun is understood.
        survey: Finds candidates in a window, called like ``survey_window``, which is the default.

    Raises:
        ConfigError: If an option is not at least 1, or it is no detector.
        MissingWeightsError: If the weights of the detector are not on this machine.

    Example:
        >>> AttributesGrounder(num_frames=16).num_frames
        16
    """

    @checked_options("grounder 'attributes'")
    def __init__(
        self,
        *,
        num_frames: PositiveInt | None = None,
        max_candidates: PositiveInt = 8,
        detector: Any = None,
        survey: Callable[..., Survey] | None = None,
    ) -> None:
        self.num_frames = num_frames
        self.max_candidates = max_candidates
        self._survey = survey or survey_window
        self._memory = SurveyCache()
        self._finder = None if detector is None else NameFinder(detector)
        self._nouns = KnownNouns() if detector is None else KnownNouns(why_unknown=_NOT_FOUND)

    def step(self, episode: Episode) -> Move:
        """Answer, or first ask for a closer look if the query is about time.

        Raises:
            QueryError: If the query has no words.
        """
        if self._finder is None:
            return self._step_without_names(episode)
        named = answer_by_name(episode, self._finder, num_frames=self.num_frames or _NUM_DETECTED)
        if named is not None and named.grounding is not None:
            return named.grounding
        move = self._step_without_names(episode)
        if named is None or isinstance(move, Look):
            return move
        return replace(move, status="guessed", warnings=(named.note, *move.warnings))

    def close(self) -> None:
        """Free the detector if it was built here."""
        if self._finder is not None:
            self._finder.close()

    def _step_without_names(self, episode: Episode) -> Move:
        plan = parse_query(episode.query, self._nouns)
        window = episode.selection.window
        first_turn = episode.turn == 0
        if first_turn and len(window) > _LONG_WINDOW and not episode.must_answer:
            return self._look_closer(episode, plan)
        overview = self._measure(episode, self._overview_window(episode))
        resolution = _resolve(plan, overview)
        if first_turn and not episode.must_answer and plan.speaks_of_time:
            look = self._look_at_event(plan, overview, resolution)
            if look is not None:
                return look
        return self._answer(episode, plan, overview, resolution)

    # -- looking -----------------------------------------------------------------------------

    def _overview_window(self, episode: Episode) -> Window:
        """Return the window that candidates are compared in: the longest one seen.

        Which object comes first or last cannot be decided in a narrow window around one event.
        """
        windows = [selection.window for selection in episode.selections]
        usable = [window for window in windows if len(window) <= _LONG_WINDOW]
        if usable:
            return max(usable, key=len)
        return _shorten(windows[-1], episode.selection.keyframe)

    def _look_closer(self, episode: Episode, plan: QueryPlan) -> Look:
        selection = episode.selection
        detail = selection.of_role("detail") or selection.indices
        hull = Window(min(detail), max(detail) + 1)
        keyframe = selection.keyframe
        window = _shorten(hull, keyframe).clamped(selection.window)
        num_frames = self.num_frames or usual_num_frames(selection.window)
        text = (
            f"{len(selection.window)} frames are too many to track objects through in "
            f"{num_frames} samples; taking a closer look at frames {window.start} to "
            f"{window.stop - 1}, the sampler's detail frames."
        )
        thought = Thought(text, temporal=text, linguistic=describe_plan(plan))
        return Look(window, keyframe if keyframe in window else None, thought)

    def _look_at_event(
        self, plan: QueryPlan, overview: MeasuredSurvey, resolution: Resolution
    ) -> Look | None:
        """Return a look at the decisive moments, or None if it would show nothing new."""
        survey = overview.survey
        if not resolution.choices or len(survey.frames) < 4:
            return None
        spacing = len(survey.window) / len(survey.frames)
        if spacing <= 1:
            return None  # every frame has been seen already
        candidates = resolution.candidates
        moments = [frame for candidate in candidates for frame in _event_frames(candidate)]
        if not moments:
            moments = [int(candidate.frames[candidate.first]) for candidate in candidates]
        reach = max(4, len(survey.window) // 6)
        best = max(candidates, key=lambda candidate: float(candidate.areas.max()))
        keyframe = int(
            best.frames[int(np.argmax(np.where(best.cut, _CUT_WEIGHT, 1.0) * best.areas))]
        )
        start = max(survey.window.start, min(*moments, keyframe + reach) - reach)
        stop = min(survey.window.stop, max(*moments, keyframe - reach) + reach + 1)
        window = Window(start, max(stop, start + 1))
        if keyframe not in window:
            keyframe = _find_clearest(best, window)
        if len(window) >= _NEARLY_ALL * len(survey.window):
            window = _window_around(survey.window, keyframe, reach * 2)
        called = ", ".join(candidate.name for candidate in candidates)
        text = (
            f"{called} seem{'s' if len(candidates) == 1 else ''} to match; taking a closer look "
            f"at frames {window.start} to {window.stop - 1} to see when it happens."
        )
        temporal = " ".join([*select_texts(resolution, "temporal"), text])
        return Look(
            window,
            keyframe,
            Thought(
                join_texts(temporal, describe_plan(plan)),
                temporal=temporal,
                linguistic=describe_plan(plan),
                details={"candidates": [candidate.candidate_id for candidate in candidates]},
            ),
        )

    # -- answering ---------------------------------------------------------------------------

    def _answer(
        self,
        episode: Episode,
        plan: QueryPlan,
        overview: MeasuredSurvey,
        resolution: Resolution,
    ) -> Grounding:
        survey = overview.survey
        if not resolution.choices:
            return self._answer_nothing(episode, plan, overview, resolution)
        partly = plan.needs_whole_video and _saw_partly(episode, overview)
        warnings = self._warnings(plan, resolution, overview, _span(episode, partly))
        preferred = episode.selection.keyframe if episode.turn > 0 else None
        measured, choices = overview, resolution.choices
        ids = {id(choice): choice.candidate.candidate_id for choice in choices}
        closer = ""
        if episode.turn > 0 and episode.selection.window != survey.window:
            dense = self._measure(episode, episode.selection.window)
            found = match_candidates(overview, dense, choices)
            if found is not None:
                closer = describe_closer_look(dense, found)
                kept = confirm_absences(plan, dense, choices, found)
                if not kept:
                    never = Resolution(
                        (), resolution.observations,
                        reason="a closer look shows that the object is never away",
                    )  # fmt: skip
                    return self._answer_nothing(episode, plan, overview, never, closer=closer)
                ids = dict(zip(map(id, found), ids.values(), strict=True))
                measured, choices = dense, kept
        prompts = make_prompts(
            episode.video,
            measured,
            doubt_question(plan, choices),
            labels=[make_label(plan, choice.words) for choice in choices],
            preferred_frame=preferred,
        )
        keyframe = prompts[0].frame
        where = describe_placement(prompts, choices, closer=measured is not overview)
        seen = describe_survey(survey, _list_seen(plan, overview))
        temporal = join_texts(seen, *select_texts(resolution, "temporal"), closer)
        spatial = join_texts(*select_texts(resolution, "spatial"), where)
        linguistic = join_texts(describe_plan(plan), *select_texts(resolution, "linguistic"))
        is_doubtful = (
            resolution.doubtful or resolution.ran_out or partly or not resolution.is_whole
        )
        confidence = float(np.mean([choice.score for choice in choices]))
        if plan.objection or not plan.target.understood:
            confidence = QUESTION_CONFIDENCE * confidence
        elif is_doubtful or plan.ignored:
            confidence *= _DOUBTFUL_CONFIDENCE
        return Grounding(
            keyframe,
            prompts,
            thought=Thought(
                join_texts(linguistic, temporal, spatial),
                temporal=temporal,
                spatial=spatial,
                linguistic=linguistic,
                details={"candidates": [choice.candidate.candidate_id for choice in choices]},
            ),
            confidence=min(1.0, max(0.0, confidence)),
            warnings=warnings,
            status="answered" if plan.judged_wholly and not is_doubtful else "guessed",
            judged=plan.used_words,
            unjudged=plan.unjudged_words,
            comparison=_compare(
                episode,
                plan,
                overview,
                resolution,
                taken={ids[id(choice)]: place for place, choice in enumerate(choices, start=1)},
                keyframe=keyframe,
            ),
        )

    def _answer_nothing(
        self,
        episode: Episode,
        plan: QueryPlan,
        overview: MeasuredSurvey,
        resolution: Resolution,
        *,
        closer: str = "",
    ) -> Grounding:
        partly = _saw_partly(episode, overview)
        is_still = plan.speaks_of_motion and len(overview.survey.window) < 2
        is_open = partly or resolution.ran_out or is_still
        is_contradicted = plan.can_be_contradicted and has_plausible(overview) and not is_open
        reason = resolution.reason or "no candidate objects were found"
        finding = "Not in this video" if is_contradicted else "Nothing that fits was seen"
        verdict = f"{finding}: {reason}."
        temporal = join_texts(
            describe_survey(overview.survey, overview.candidates),
            *select_texts(resolution, "temporal"),
            closer,
        )
        spatial = join_texts(*select_texts(resolution, "spatial"))
        linguistic = join_texts(
            describe_plan(plan), *select_texts(resolution, "linguistic"), verdict
        )
        return Grounding(
            None,
            (),
            thought=Thought(
                join_texts(temporal, spatial, linguistic),
                temporal=temporal,
                spatial=spatial,
                linguistic=linguistic,
            ),
            confidence=_ABSENT_CONFIDENCE if overview.candidates else 0.5,
            warnings=self._warnings(plan, resolution, overview, _span(episode, partly)),
            status="absent" if is_contradicted else "guessed",
            judged=plan.used_words,
            unjudged=plan.unjudged_words,
            comparison=_compare(episode, plan, overview, resolution),
        )

    def _warnings(
        self,
        plan: QueryPlan,
        resolution: Resolution,
        overview: MeasuredSurvey,
        unseen_in: Window | None,
    ) -> tuple[str, ...]:
        with_names = self._finder is not None
        return make_warnings(
            plan, resolution, overview, unseen_in=unseen_in, with_names=with_names
        )

    def _measure(self, episode: Episode, window: Window) -> MeasuredSurvey:
        return self._memory.get(
            episode.video,
            self._survey,
            window=window,
            num_frames=self.num_frames or usual_num_frames(window),
            max_candidates=self.max_candidates,
            seed=episode.seed,
        )


def _list_seen(plan: QueryPlan, overview: MeasuredSurvey) -> Sequence[MeasuredCandidate]:
    """Return what the query is judged among: the wholes, where it asks for what moves."""
    return overview.undivided() if plan.asks_for_what_moves else overview.candidates


def _compare(
    episode: Episode,
    plan: QueryPlan,
    overview: MeasuredSurvey,
    resolution: Resolution,
    *,
    taken: Mapping[int, int] | None = None,
    keyframe: int | None = None,
) -> Comparison:
    """Return what was seen in the overview, and how it was judged."""
    candidates = _list_seen(plan, overview)
    unlikely = (one.candidate_id for one in candidates if one.plausibility < PLAUSIBLE)
    compared = compare_candidates(
        candidates,
        resolution,
        size=episode.video.size,
        taken=taken or {},
        keyframe=keyframe,
        background=frozenset(unlikely),
    )
    return replace(compared, frames=overview.survey.frames)


def _saw_partly(episode: Episode, overview: MeasuredSurvey) -> bool:
    """Whether only a part of what was asked about has been surveyed."""
    return len(overview.survey.window) < len(episode.selections[0].window)


def _span(episode: Episode, partly: bool) -> Window | None:
    """Return the range that was asked about if only a part of it was seen."""
    return episode.selections[0].window if partly else None


def _resolve(plan: QueryPlan, measured: MeasuredSurvey) -> Resolution:
    contacts = Contacts(frozenset(measured.survey.depth_order))
    target = plan.target
    seen = _list_seen(plan, measured)
    candidates = [candidate for candidate in seen if candidate.plausibility >= PLAUSIBLE]
    if target.understood or not candidates:
        return Resolver(candidates, contacts).resolve(target)
    return _choose_most_salient(target, candidates)


def _choose_most_salient(
    target: NounPhrase, candidates: Sequence[MeasuredCandidate]
) -> Resolution:
    """Return the most salient candidates, or the main ones if the query says how many."""
    count = target.number.count
    if count is None:
        ordered = sorted(candidates, key=lambda candidate: candidate.saliency, reverse=True)
        ordered = [t for t in ordered if t.saliency >= 0.5 * ordered[0].saliency]
    else:
        mainness = dict(zip(map(id, candidates), measure_mainness(candidates), strict=True))
        ordered = sorted(candidates, key=lambda candidate: -mainness[id(candidate)])[:count]
    choices = tuple(Choice(candidate, candidate.saliency) for candidate in ordered)
    return Resolution(choices, enough=count is None or len(choices) >= count)


def _event_frames(candidate: MeasuredCandidate) -> list[int]:
    """Return the frames at which a candidate appears, leaves or returns."""
    moments = []
    if candidate.enters:
        moments.append(int(candidate.frames[candidate.first]))
    for start, stop in candidate.gaps:
        moments += [int(candidate.frames[start]), int(candidate.frames[stop])]
    if candidate.exits:
        moments.append(int(candidate.frames[candidate.last]))
    return moments


def _find_clearest(candidate: MeasuredCandidate, window: Window) -> int:
    inside = np.array([int(frame) in window for frame in candidate.frames]) & candidate.visible
    if not inside.any():
        return window.start + (len(window) - 1) // 2
    return int(candidate.frames[int(np.argmax(np.where(inside, candidate.areas, -1.0)))])


def _window_around(window: Window, frame: int, reach: int) -> Window:
    return Window(max(window.start, frame - reach), min(window.stop, frame + reach + 1))


def _shorten(window: Window, keyframe: int | None) -> Window:
    """Return at most ``_LONG_WINDOW`` frames of a window, around the keyframe or its middle."""
    if len(window) <= _LONG_WINDOW:
        return window
    middle = keyframe if keyframe is not None else window.start + len(window) // 2
    start = min(max(window.start, middle - _LONG_WINDOW // 2), window.stop - _LONG_WINDOW)
    return Window(start, start + _LONG_WINDOW)
