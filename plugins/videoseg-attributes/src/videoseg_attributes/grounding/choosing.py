"""Chooses among tracks of named things by everything that a query says, without a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from videoseg.errors import ConfigError
from videoseg.types import AnswerStatus, Comparison, Size, Thought, VideoSource, Window
from videoseg_attributes.grounding.comparison import compare_candidates
from videoseg_attributes.grounding.constraint_scores import compare_colors, score_name
from videoseg_attributes.grounding.explanation import (
    STILL,
    describe_plan,
    explain_shortage,
    explain_unjudged,
    join_texts,
    select_texts,
)
from videoseg_attributes.grounding.language import (
    ColorIs,
    KnownNouns,
    NameIs,
    Number,
    QueryPlan,
    Ranking,
    list_names,
    parse_query,
)
from videoseg_attributes.grounding.language.nouns import is_wide, singular_of
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.named_tracks import NamedTrack, measure_tracks
from videoseg_attributes.grounding.reference_resolution import Resolver
from videoseg_attributes.grounding.relations import Contacts
from videoseg_attributes.grounding.resolution import (
    QUESTION_CONFIDENCE,
    Choice,
    Resolution,
    doubt_question,
)
from videoseg_attributes.regions.frames import choose_frames

__all__ = ["TrackChoice", "choose_among", "choose_tracks", "read_query"]

# Set by hand; not measured separately.
_CONTRADICTED = 0.15  # score of the best track on every part: below, nothing can be meant
_LEAST_NAME = 0.4  # verdict on a name from which a track may be meant at all
_SURE = 0.5  # score of a name from which a track is surely that
_COMPARABLE = 0.7  # of the best score of a name: it may as well be that one
_ALIKE = 0.5  # of the best score of a name: these may be things of the same kind
_FITS, _LEAST_HINT = 0.3, 0.1  # score from which it fits; below, it is not even a hint
_LONGEST_UNSEEN = 1.0  # seconds that a thing may show between frames that were looked at
_SPARSE = (
    "nothing that fits was seen, but the frames that were looked at lie far apart; ask about a "
    "part of the video, or look at more frames"
)
_GUESS_CONFIDENCE = 0.3  # of nothing that fits
_DOUBTFUL_CONFIDENCE = 0.7  # factor
_ABSENT_CONFIDENCE = 0.7


@dataclass(frozen=True, eq=False, slots=True)
class TrackChoice:
    """Which of several tracks a query means, and why.

    Args:
        track_ids: The tracks, best first; empty if none fits.
        scores: How well each fits, in [0, 1].
        status: ``answered``, ``guessed`` if a part of the query could not be judged or nothing
            fits well, ``absent`` if everything that was found contradicts the query.
        judged: The words that were judged.
        unjudged: The words that were not.
        reason: Why no track fits; empty if one does.
        thought: What was measured, by kind of reasoning.
        confidence: In [0, 1].
        warnings: What the user should know, and what to do.
        comparison: What the tracks were judged by, each as a candidate with the track's number.
        words: Which of several descriptions in the query each track is; empty for one only.
        motion: For each track, where its motion decided because more fit than are asked for: how
            much it moves on each frame that was looked at, in frame diagonals per second.
    """

    track_ids: tuple[int, ...]
    scores: tuple[float, ...]
    status: AnswerStatus
    judged: tuple[str, ...]
    unjudged: tuple[str, ...]
    reason: str = ""
    thought: Thought = field(default_factory=Thought)
    confidence: float = 1.0
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None
    words: tuple[str, ...] = ()
    motion: Mapping[int, Mapping[int, float]] = field(default_factory=dict)


def choose_tracks(
    video: VideoSource,
    query: str,
    tracks: Sequence[NamedTrack],
    *,
    searched: Collection[str] = (),
    frames: Sequence[int] | None = None,
    num_frames: int = 24,
) -> TrackChoice:
    """Choose the tracks that a query means, by name, color, size, place, motion, time and number.

    Args:
        video: The video.
        query: The query, in English.
        tracks: The tracks to choose among.
        searched: Names that were looked for, found or not. Of other nouns than these and the
            names of the tracks it is not known whether they are in the video.
        frames: Frame indices on which the tracks were looked for and are measured; by default
            ``num_frames`` of them, spread over the video.
        num_frames: How many frames to measure, if ``frames`` are not given.

    Raises:
        QueryError: If the query has no words.
        ConfigError: If two tracks have the same id or one lies outside the video's frames,
            ``num_frames`` is below 1, ``frames`` are none of the video's, or the length of the
            video is not known and no ``frames`` are given.
        VideoError: If a frame cannot be decoded.
    """
    ids = [track.track_id for track in tracks]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"the ids of tracks must differ, got {sorted(ids)}")
    if num_frames < 1:
        raise ConfigError(f"num_frames must be at least 1, got {num_frames}")
    if frames is None:
        if video.num_frames is None:
            raise ConfigError("the length of the video is not known; give the frames to measure")
        frames = choose_frames(Window(0, video.num_frames), num_frames)
    _check_places(video, tracks, frames)
    return choose_among(video, read_query(query, tracks, searched), tracks, sorted({*frames}))


def _check_places(video: VideoSource, tracks: Sequence[NamedTrack], frames: Sequence[int]) -> None:
    """Raise if frames are not in the video, or tracks not in its frames."""
    end = video.num_frames
    outside = [index for index in frames if index < 0 or (end is not None and index >= end)]
    if outside or not frames:
        given = f"got {outside[:5]}" if outside else "got none"
        raise ConfigError(f"give frames to measure that are in the video of {end} frames, {given}")
    for track in tracks:
        for frame, mask in track.masks.items():
            if mask.size != video.size:
                raise ConfigError(
                    f"track {track.track_id} has a mask of {mask.size} on frame {frame}; give "
                    f"masks of the video's size, (height, width) = {video.size}"
                )
        for frame, box in track.boxes.items():
            if box.clipped(video.size) is None:
                raise ConfigError(
                    f"track {track.track_id} has a box {box.as_tuple()} outside frame {frame}; "
                    "boxes are in pixels of the source frame: x1, y1, x2, y2"
                )


def read_query(query: str, tracks: Sequence[NamedTrack], searched: Collection[str]) -> QueryPlan:
    """Parse a query, of which the names of tracks and those that were looked for are judged."""
    found = {name for track in tracks for name in track.names}
    singulars = {singular_of(name) for name in (*found, *searched)}
    vocabulary = sorted({*found, *searched})

    def find_unknown(names: Sequence[str]) -> list[str]:
        return [name for name in names if singular_of(name) not in singulars]

    nouns = list_names(query, find_unknown, vocabulary)
    seen = {singular_of(name) for name in found}
    return parse_query(
        query,
        KnownNouns(
            frozenset(nouns),
            frozenset(noun for noun in nouns if singular_of(noun) in seen),
            "it was not looked for" if vocabulary else KnownNouns().why_unknown,
        ),
    )


def choose_among(
    video: VideoSource,
    plan: QueryPlan,
    tracks: Sequence[NamedTrack],
    frames: Sequence[int],
    *,
    hints: Mapping[str, float] | None = None,
) -> TrackChoice:
    """Choose the tracks that a parsed query means; see ``choose_tracks``.

    Args:
        video: The video.
        plan: The query.
        tracks: The tracks.
        frames: The frames on which they were looked for, ascending.
        hints: For each name how surely something was found as it that is in no track.
    """
    items = plan.constraints
    named = _raise_unsure(plan, [_name_as_in(plan, track) for track in tracks])
    is_open = _leaves_open(plan, named)
    candidates = measure_tracks(
        video,
        named,
        frames,
        colors=any(
            isinstance(item, ColorIs) or (isinstance(item, Ranking) and item.key == "lightness")
            for item in items
        ),
        motion=is_open or plan.speaks_of_time or plan.speaks_of_motion,
    )
    by_id = {track.track_id: track for track in tracks}
    is_hinted = any((hints or {}).get(name, 0.0) >= _LEAST_HINT for name in plan.names)
    judge = _Judge(plan, candidates, by_id, video.size, is_hinted=is_hinted)
    choice = judge.choose(is_dense=_longest_gap(video, frames) <= _LONGEST_UNSEEN)
    return (
        replace(choice, motion=_list_motion(candidates, choice.track_ids)) if is_open else choice
    )


def _leaves_open(plan: QueryPlan, tracks: Sequence[NamedTrack]) -> bool:
    """Whether more tracks fit the noun than are asked for, and nothing says which is meant.

    Then the one that moves most is, as in "the main moving object".
    """
    target = plan.meant
    count = target.number.count
    if target.name is None or count is None or target.rankings:
        return False
    scores = [track.names.get(target.name, 0.0) for track in tracks]
    least = max(_FITS, _COMPARABLE * max(scores, default=0.0))
    return sum(score >= least for score in scores) > count


def _list_motion(
    candidates: Sequence[MeasuredCandidate], track_ids: Sequence[int]
) -> dict[int, dict[int, float]]:
    return {
        candidate.candidate_id: {
            int(frame): float(motion)
            for frame, motion in zip(candidate.frames, candidate.motion, strict=True)
            if np.isfinite(motion)
        }
        for candidate in candidates
        if candidate.candidate_id in track_ids
    }


def _longest_gap(video: VideoSource, frames: Sequence[int]) -> float:
    """Return the longest time between frames that were looked at, in seconds."""
    last = frames[-1] if video.num_frames is None else video.num_frames - 1
    return float(np.diff([0, *frames, last]).max()) / video.fps


def _name_as_in(plan: QueryPlan, track: NamedTrack) -> NamedTrack:
    """Return a track with its names written as the query writes them."""
    written = {singular_of(name): name for name in plan.names}
    names = dict(track.names)
    for name, score in track.names.items():
        same = written.get(singular_of(name))
        if same is not None:
            names[same] = max(score, names.get(same, 0.0))
    return replace(track, names=names)


def _raise_unsure(plan: QueryPlan, tracks: Sequence[NamedTrack]) -> list[NamedTrack]:
    """Raise the scores of a name that nothing is surely: then the unsure things are meant."""
    raised = list(tracks)
    for name in plan.names:
        best = max((track.names.get(name, 0.0) for track in raised), default=0.0)
        if _LEAST_HINT <= best < _FITS:
            raised = [
                replace(track, names={**track.names, name: max(_FITS, track.names[name])})
                if track.names.get(name, 0.0) >= _ALIKE * best
                else track
                for track in raised
            ]
    return raised


@dataclass(frozen=True, eq=False, slots=True)
class _Judge:
    plan: QueryPlan
    candidates: tuple[MeasuredCandidate, ...]
    tracks: dict[int, NamedTrack]
    size: Size
    is_hinted: bool = False

    def choose(self, *, is_dense: bool) -> TrackChoice:
        resolution = self._resolve()
        if resolution.choices:
            return self._answer(resolution, resolution.choices)
        if not self._may_be_meant():
            is_absent = (
                bool(self._found_surely())
                and is_dense
                and not self.is_hinted
                and self.plan.can_be_contradicted
                and self.plan.meant.is_named
                and not any(is_wide(name) for name in self.plan.names)
            )
            return self._answer_nothing(resolution, self._explain_unseen(), is_absent=is_absent)
        closest, score = self._find_closest()
        is_contradicted = self.plan.can_be_contradicted and score < _CONTRADICTED
        if is_contradicted and not resolution.ran_out:
            is_single = len(self.candidates[0].frames) < 2
            is_unseen = is_single and self.plan.speaks_of_motion
            note = STILL if is_unseen else "" if is_dense else _SPARSE
            return self._answer_nothing(
                resolution, resolution.reason, is_absent=not note, note=note
            )
        if closest is None or resolution.ran_out:
            return self._answer_nothing(resolution, resolution.reason, is_absent=False)
        return self._answer(replace(resolution, doubtful=True), (Choice(closest, score),))

    # -- finding -----------------------------------------------------------------------------

    def _resolve(self) -> Resolution:
        target = self.plan.target
        if target.understood or not self.candidates:
            return Resolver(self.candidates, Contacts(frozenset())).resolve(self.plan.meant)
        ordered = sorted(self.candidates, key=lambda one: -one.saliency)
        count = target.number.count
        chosen = ordered if count is None else ordered[:count]
        choices = tuple(Choice(candidate, candidate.saliency) for candidate in chosen)
        return Resolution(choices, enough=count is None or len(choices) >= count)

    def _may_be_meant(self) -> list[MeasuredCandidate]:
        """Return what may be of the kind that the query names."""
        names = self._names_of_target()
        return [
            candidate
            for candidate in self.candidates
            if all(score_name(candidate, name).score >= _LEAST_NAME for name in names)
        ]

    def _names_of_target(self) -> list[NameIs]:
        target = self.plan.meant
        own = [item for item in target.constraints if isinstance(item, NameIs)]
        if not own and target.within is not None:
            own = [item for item in target.within.constraints if isinstance(item, NameIs)]
        return own

    def _found_surely(self) -> list[MeasuredCandidate]:
        return [one for one in self.candidates if max(one.names.values(), default=0.0) >= _SURE]

    def _find_closest(self) -> tuple[MeasuredCandidate | None, float]:
        """Return what of the named kind comes nearest to the query, and the best worst score."""
        resolver = Resolver(self.candidates, Contacts(frozenset()))
        pool = self._may_be_meant()
        target = self.plan.meant
        worst = [resolver.score_worst(target, candidate, pool) for candidate in pool]
        groups = [target, *([target.within] if target.within is not None else [])]
        colors = [
            item
            for phrase in groups
            for item in phrase.constraints
            if isinstance(item, ColorIs) and not item.negated
        ]

        def closeness(candidate: MeasuredCandidate) -> float:
            relative = [compare_colors(candidate, item, pool) for item in colors]
            return resolver.score_all(target, candidate, pool, but=colors) * float(
                np.prod(relative)
            )

        best = max(pool, key=closeness, default=None)
        return best, max(worst, default=0.0)

    # -- telling -----------------------------------------------------------------------------

    def _answer(self, resolution: Resolution, choices: Sequence[Choice]) -> TrackChoice:
        plan = self.plan
        notes = [self._explain_open_kind(), self._explain_unsure(choices)]
        doubtful = resolution.doubtful or resolution.ran_out or not resolution.is_whole
        is_guess = doubtful or any(notes) or not plan.judged_wholly
        confidence = float(np.mean([choice.score for choice in choices]))
        if plan.objection or not plan.target.understood:
            confidence *= QUESTION_CONFIDENCE
        elif is_guess:
            confidence *= _DOUBTFUL_CONFIDENCE
        warnings = [*self._warn(resolution, found=True), *notes]
        return TrackChoice(
            tuple(choice.candidate.candidate_id for choice in choices),
            tuple(
                float(min(1.0, max(0.0, choice.score))) for choice in doubt_question(plan, choices)
            ),
            "guessed" if is_guess else "answered",
            plan.used_words,
            plan.unjudged_words,
            thought=self._think(resolution),
            confidence=float(min(1.0, max(0.0, confidence))),
            warnings=tuple(filter(None, warnings)),
            comparison=self._compare(resolution, choices),
            words=tuple(choice.words for choice in choices),
        )

    def _answer_nothing(
        self, resolution: Resolution, reason: str, *, is_absent: bool, note: str = ""
    ) -> TrackChoice:
        finding = "Not in this video" if is_absent else "Nothing that fits was seen"
        return TrackChoice(
            (),
            (),
            "absent" if is_absent else "guessed",
            self.plan.used_words,
            self.plan.unjudged_words,
            reason=reason,
            thought=self._think(resolution, f"{finding}: {reason}."),
            confidence=_ABSENT_CONFIDENCE if is_absent else _GUESS_CONFIDENCE,
            warnings=(*self._warn(resolution, found=False), *filter(None, [note])),
            comparison=self._compare(resolution, ()),
        )

    def _compare(self, resolution: Resolution, choices: Sequence[Choice]) -> Comparison:
        places = enumerate(choices, start=1)
        taken = {choice.candidate.candidate_id: place for place, choice in places}
        return compare_candidates(self.candidates, resolution, size=self.size, taken=taken)

    def _warn(self, resolution: Resolution, *, found: bool) -> tuple[str, ...]:
        plan = self.plan
        warnings = [explain_unjudged(plan, found=found, with_names=True)]
        warnings += explain_shortage(plan, resolution)
        if found and resolution.doubtful:
            warnings.append("nothing matches the query well; the closest match is returned")
        if resolution.ran_out:
            warnings.append("fewer objects were seen than the query counts through")
        return tuple(filter(None, warnings))

    def _explain_unseen(self) -> str:
        names = ", ".join(f'"{item.words}"' for item in self._names_of_target())
        found = sorted(self._found_surely(), key=lambda one: -one.saliency)
        else_ = ", ".join(candidate.name for candidate in found[:5])
        seen = f"; what was found is {else_}" if else_ else ", nor anything else that it knows"
        return f"nothing was found as {names or 'what the query describes'}{seen}"

    def _explain_open_kind(self) -> str:
        """Return that several things may be of the kind, where only a wider one is judged."""
        target = self.plan.meant
        names = self._names_of_target()
        if not names or target.number.count is None or target.rankings:
            return ""
        noun = names[0].words
        # "The man on the left" says which person is meant.
        says_more = any(not isinstance(item, NameIs) for item in target.constraints)
        if is_wide(noun) or says_more:
            return ""
        every = Resolver(self.candidates, Contacts(frozenset())).resolve(
            replace(target, number=Number(None), alternatives=())
        )
        scores = [choice.candidate.names.get(noun, 0.0) for choice in every.choices]
        fitting = [
            choice.candidate
            for choice, score in zip(every.choices, scores, strict=True)
            if score >= _COMPARABLE * max(scores)
        ]
        called = {self.tracks[candidate.candidate_id].called for candidate in fitting}
        others = sorted(word for word in called if word and singular_of(noun) != word)
        if len(fitting) <= target.number.count or not others:
            return ""
        return (
            f'"{noun}" was judged only as "{" or ".join(others)}", and {len(fitting)} of '
            "these fit; say more about the one that is meant, such as its color or place"
        )

    def _explain_unsure(self, choices: Sequence[Choice]) -> str:
        """Return which name the detector was not sure of; empty if there is none."""
        names = [name for choice in choices for name in choice.candidate.names]
        asked = [name for name in dict.fromkeys(names) if name in self.plan.names]
        scores = {
            name: max(choice.candidate.names.get(name, 0.0) for choice in choices)
            for name in asked
        }
        best = max(scores.values(), default=1.0)
        if best >= _SURE:
            return ""
        noun = max(scores, key=lambda name: scores[name])
        return (
            f'the detector is not sure that it is "{noun}"; a larger model of it, or another '
            "detector, may be"
        )

    def _think(self, resolution: Resolution, verdict: str = "") -> Thought:
        listed = "; ".join(
            f"{one.name} on {int(one.visible.sum())} of {len(one.visible)} frames, "
            f"{int(one.frames[one.first])} to {int(one.frames[one.last])}"
            for one in sorted(self.candidates, key=lambda one: -one.saliency)
        )
        temporal = join_texts(
            f"Found by name: {listed or 'nothing'}.", *select_texts(resolution, "temporal")
        )
        spatial = join_texts(*select_texts(resolution, "spatial"))
        linguistic = join_texts(
            describe_plan(self.plan), *select_texts(resolution, "linguistic"), verdict
        )
        return Thought(
            join_texts(linguistic, temporal, spatial),
            temporal=temporal,
            spatial=spatial,
            linguistic=linguistic,
            details={"candidates": [one.candidate_id for one in resolution.candidates]},
        )
