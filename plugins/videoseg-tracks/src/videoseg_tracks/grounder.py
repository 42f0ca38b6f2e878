"""The grounder ``track-then-choose``: a chat model chooses among tracks, in rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Interval

from videoseg import ChatModel, Episode, Grounding, Look, Thought
from videoseg.plugins import PositiveInt, checked_options
from videoseg.text import format_count
from videoseg.types import Move
from videoseg_tracks.answering import (
    Answer,
    compare_tracks,
    describe_pool,
    list_tracks,
    make_answer,
)
from videoseg_tracks.components import (
    build_detector,
    build_follower,
    close_all,
    devices_of,
)
from videoseg_tracks.concepts import NameAsker
from videoseg_tracks.finding import TrackFinder
from videoseg_tracks.pool_cache import PoolCache
from videoseg_tracks.prompts import load_prompt
from videoseg_tracks.round_state import STATE_KEY, RoundState
from videoseg_tracks.rounds import CONFIRM, LAST, RoundAsker, RoundOutcome
from videoseg_tracks.tracks import TrackPool, joint_scope
from videoseg_tracks.verdicts import Verdicts

__all__ = ["OnParseError", "TrackThenChooseGrounder", "Undecided"]

OnParseError: TypeAlias = Literal["raise", "empty"]
Undecided: TypeAlias = Literal["drop", "keep"]

_OWNER = "track-then-choose"


@dataclass(frozen=True, slots=True)
class _Round:
    """One round: the tracks, the state before it, and what the trace keeps."""

    episode: Episode
    pool: TrackPool
    state: RoundState
    details: Mapping[str, Any] = field(default_factory=dict)
    linguistic: str = ""

    @property
    def window_is(self) -> tuple[int, int]:
        window = self.episode.selection.window
        return window.start, window.stop


class TrackThenChooseGrounder:
    """Tracks everything of the named kind first, then lets a chat model choose among the tracks.

    The strategy of AgentRVOS (arXiv 2603.23489):

    1. The model names what to look for, from the query alone or, if that names no thing, from
       frames. The detector looks for it on frames of the whole video, and the propagator follows
       what it finds. If nothing is found, the model is asked for other names.
    2. In each round, the undecided tracks are shown, numbered, on the frames that the sampler
       chose, and the model puts each into true, false or unknown. While some are unknown, the
       grounder looks at the part of the video in which they are visible. Each round is a turn of
       the episode, so ``max_turns`` of the pipeline bounds them.
    3. The answer carries the masks of the chosen tracks on all frames; with the propagator
       ``given-masks`` they are not computed again. Their ids are the numbers in the pictures.

    Unlike there, a close view without a fill replaces the questions about colors; when a round
    chooses everything, the next one asks whether that is meant; names that the detector does not
    know are told to the model; and all names are looked for together.

    ``answered`` is an answer after which nothing is undecided, ``absent`` one in which every
    track was judged false. If nothing was found, tracks stay undecided, or answers cannot be
    read, it is ``guessed``, and a warning says why.

    Args:
        chat: A vision-language model.
        segmenter: Makes masks of the detector's boxes: that of the pipeline. None only if the
            detector makes masks or the propagator takes boxes.
        detector: The name of a detector, a mapping of ``name`` and ``options``, or an instance.
        propagator: What follows the things through the video, given likewise; by default
            ``flow``, or the detector itself if it tracks, as ``sam3`` does. It is not the
            pipeline's propagator, which makes masks of the answer.
        detection_frames: How many frames the detector is asked on.
        max_tracks: How many tracks there are at most.
        min_score: Detections below are not used.
        max_names: How many times the model is asked for names at most.
        prompt: Version of the prompts, or the path of a folder with ``concepts.txt``,
            ``infer.txt`` and ``choose.txt``.
        max_frames: How many frames a round shows at most.
        frame_pixels: How large each of them is shown, in pixels.
        close_views: Whether a round begins with a close view of each track.
        max_tokens: Upper bound on the tokens of each answer.
        undecided: What happens to tracks that are unknown when the rounds end: ``drop`` (as in
            the paper), or ``keep``, if nothing else was chosen.
        answer: ``tracks``, or ``keyframe``: one mask of each object, for a propagator that
            is better than the one that made the tracks.
        on_parse_error: ``raise``, or ``empty``: a guess without objects. If earlier rounds have
            chosen tracks, these are the answer, as a guess.

    Raises:
        ConfigError: If an option is not allowed.
        MissingWeightsError: If the weights of detector or propagator are not on this machine.
    """

    @checked_options("grounder 'track-then-choose'")
    def __init__(
        self,
        *,
        chat: ChatModel,
        segmenter: Any = None,
        detector: Any = "yolox",
        propagator: Any = None,
        detection_frames: PositiveInt = 16,
        max_tracks: PositiveInt = 12,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        max_names: PositiveInt = 3,
        prompt: str = "v1",
        max_frames: PositiveInt = 16,
        frame_pixels: PositiveInt = 320 * 28 * 28,
        close_views: bool = True,
        max_tokens: PositiveInt = 2048,
        undecided: Undecided = "drop",
        answer: Answer = "tracks",
        on_parse_error: OnParseError = "raise",
    ) -> None:
        self._detector = build_detector(detector, owner=_OWNER)
        self._propagator = build_follower(propagator, self._detector, owner=_OWNER)
        self._owned = [
            built
            for built, given in ((self._detector, detector), (self._propagator, propagator))
            if built is not given
        ]
        self._finder = TrackFinder(
            self._detector,
            self._propagator,
            segmenter=segmenter,
            num_frames=detection_frames,
            max_tracks=max_tracks,
            min_score=min_score,
        )
        self._names = NameAsker(
            chat,
            from_query=load_prompt("concepts", prompt),
            from_frames=load_prompt("infer", prompt),
            vocabulary=self._detector.vocabulary,
            num_frames=max_frames,
            max_pixels=frame_pixels,
            max_tokens=max_tokens,
        )
        self._rounds = RoundAsker(
            chat,
            prompt=load_prompt("choose", prompt),
            max_frames=max_frames,
            max_pixels=frame_pixels,
            close_views=close_views,
            max_tokens=max_tokens,
        )
        self._max_names = max_names
        self._undecided: Undecided = undecided
        self._answer: Answer = answer
        self._on_parse_error: OnParseError = on_parse_error
        self._pools = PoolCache()

    @property
    def device(self) -> str | None:
        """Where detector and propagator run, if they say so."""
        return devices_of((self._detector, self._propagator))

    @property
    def answers_with_masks(self) -> bool:
        """True: its answers are masks, so the pipeline needs no segmenter for them."""
        return True

    def close(self) -> None:
        """Free detector and propagator, if they were built here."""
        close_all(self._owned)

    def step(self, episode: Episode) -> Move:
        """Ask one round, and look again or answer; see ``Grounder.step``.

        Raises:
            GroundingParseError: If an answer cannot be read twice, nothing was chosen before, and
                ``on_parse_error`` is ``raise``.
            VideosegError: If detector, segmenter or propagator fail.
        """
        state = RoundState.before(episode)
        details: dict[str, Any] = {}
        linguistic = ""
        if state is None:
            pool, exchanges = self._search(episode)
            state = RoundState(
                pool.names,
                undecided=tuple(track.track_id for track in pool.tracks),
                unknown_names=pool.unknown_names,
                warnings=pool.warnings,
            )
            if pool.tracks and pool.unknown_names:
                state = state.warning(_describe_unknown(pool.unknown_names))
            details |= {"concepts": exchanges, "tracks": list_tracks(pool.tracks)}
            linguistic = describe_pool(pool)
        else:
            pool = self._find(episode, state.names)
        this = _Round(episode, pool, state, details, linguistic)
        if not pool.tracks:
            return self._answer_nothing(this)
        asked = pool.of_ids(state.chosen if state.confirming else state.undecided)
        note = CONFIRM if state.confirming else LAST if episode.must_answer else ""
        outcome = self._rounds.ask(
            episode.video,
            episode.query,
            asked,
            episode.selection.indices,
            note=note,
            # The second attempt of a round has the seed after the first one's.
            seed=episode.seed + 2 * episode.turn,
        )
        details["round"] = outcome.record
        if outcome.verdicts is None:
            return self._answer_unread(this, outcome)
        return self._go_on(this, outcome, outcome.verdicts)

    # -- finding ---------------------------------------------------------------------------

    def _search(self, episode: Episode) -> tuple[TrackPool, list[Mapping[str, Any]]]:
        """Return the tracks of what the model names, and what it was asked."""
        window = episode.selections[0].window
        exchanges: list[Mapping[str, Any]] = []
        failed: list[str] = []
        unknown: list[str] = []
        pool = TrackPool((), window, ())
        for attempt in range(self._max_names):
            concepts = self._names.ask(
                episode.video,
                episode.query,
                window=window,
                failed=failed,
                seed=episode.seed + attempt,
            )
            exchanges += concepts.exchanges
            names = tuple(name for name in concepts.names if name not in failed)
            if not names:
                break
            pool = self._find(episode, names)
            unknown += pool.unknown_names
            if pool.tracks:
                return replace(pool, unknown_names=tuple(unknown)), exchanges
            failed += names
        return (
            TrackPool((), window, tuple(failed), tuple(unknown), warnings=pool.warnings),
            exchanges,
        )

    def _find(self, episode: Episode, names: Sequence[str]) -> TrackPool:
        window = episode.selections[0].window
        key = (tuple(names), window.start, window.stop, episode.seed)
        return self._pools.get(
            episode.video,
            key,
            lambda: self._finder.find(episode.video, names, window=window, seed=episode.seed),
        )

    # -- after a round ---------------------------------------------------------------------

    def _go_on(self, this: _Round, outcome: RoundOutcome, verdicts: Verdicts) -> Move:
        state, episode = this.state, this.episode
        true, false = verdicts.ids("true"), verdicts.ids("false")
        unknown = verdicts.ids("unknown")
        warnings = (*state.warnings, *verdicts.warnings)
        if state.confirming:
            return self._answer_confirmed(this, outcome, verdicts, warnings)
        after = replace(
            state,
            chosen=(*state.chosen, *true),
            dropped=(*state.dropped, *false),
            undecided=unknown,
            warnings=warnings,
        )
        everything = len(true) > 1 and len(after.chosen) == len(this.pool.tracks)
        if everything and not episode.must_answer:
            confirming = replace(after, confirming=True)
            text = "Every track was chosen; asking whether the query means all of them."
            return self._look(this, confirming, outcome, text)
        if unknown and not episode.must_answer:
            scope = joint_scope(this.pool.of_ids(unknown))
            if true or false or (scope.start, scope.stop) != this.window_is:
                text = f"Undecided: {_numbers(unknown)}; looking at the part with them."
                return self._look(this, after, outcome, text)
            return self._answer_with(
                this, after, outcome, "a further round would show the same pictures"
            )
        return self._answer_with(this, after, outcome, "")

    def _look(self, this: _Round, state: RoundState, outcome: RoundOutcome, text: str) -> Look:
        tracks = this.pool.of_ids(state.chosen if state.confirming else state.undecided)
        thought = self._think(this, state, outcome, temporal=text)
        return Look(joint_scope(tracks), thought=thought)

    def _answer_confirmed(
        self,
        this: _Round,
        outcome: RoundOutcome,
        verdicts: Verdicts,
        warnings: tuple[str, ...],
    ) -> Grounding:
        true = verdicts.ids("true")
        if true:
            state = replace(
                this.state,
                chosen=true,
                dropped=verdicts.ids("false"),
                undecided=verdicts.ids("unknown"),
                confirming=False,
                warnings=warnings,
            )
            return self._answer_with(this, state, outcome, "")
        warning = (
            "the model chose every track and then none of them; all are kept, which is a guess: "
            "rephrase the query, or use another model"
        )
        state = replace(this.state, confirming=False, warnings=(*warnings, warning))
        return self._ground(
            this, state, outcome, "guessed", state.chosen, "the model contradicts itself"
        )

    def _answer_with(
        self, this: _Round, state: RoundState, outcome: RoundOutcome, reason: str
    ) -> Grounding:
        """Answer with what was chosen; ``guessed`` if tracks are undecided."""
        rounds = format_count(this.episode.turn + 1, "round")
        if not state.undecided:
            reason = reason or f"every track was judged, after {rounds}"
            if state.chosen:
                return self._ground(this, state, outcome, "answered", state.chosen, reason)
            if this.pool.num_left_out:
                state = state.warning(
                    "every track was judged false, but not everything that was detected was "
                    "followed; raise max_tracks"
                )
            elif not state.unknown_names:
                return self._ground(this, state, outcome, "absent", (), reason)
            return self._ground(this, state, outcome, "guessed", (), reason)
        reason = reason or f"{rounds} were all that max_turns={this.episode.max_turns} allows"
        if this.episode.max_turns == 1:
            reason = reason.replace("were all", "was all")
        kept = state.chosen or (state.undecided if self._undecided == "keep" else ())
        happens = "they are the answer" if kept == state.undecided else "they are left out"
        one = len(state.undecided) == 1
        if one:
            happens = happens.replace("they are", "it is")
        warning = (
            f"{_numbers(state.undecided)} {'was' if one else 'were'} still undecided after "
            f"{rounds}; {happens}: allow more rounds (max_turns), or rephrase the query"
        )
        state = state.warning(warning)
        return self._ground(this, state, outcome, "guessed", kept, reason)

    def _answer_unread(self, this: _Round, outcome: RoundOutcome) -> Grounding:
        state, failure = this.state, outcome.failure
        if failure is not None and not state.chosen and self._on_parse_error == "raise":
            raise failure
        kept = "what was chosen before is kept" if state.chosen else "nothing is segmented"
        state = state.warning(f"{failure}; {kept}, which is a guess")
        reason = "the model's answer could not be read"
        return self._ground(this, state, outcome, "guessed", state.chosen, reason)

    def _answer_nothing(self, this: _Round) -> Grounding:
        pool = this.pool
        warnings = list(pool.warnings)
        if not pool.names:
            warnings.append(
                "the model named nothing that could be looked for; name a thing in the query"
            )
        if pool.unknown_names:
            warnings.append(_describe_unknown(pool.unknown_names))
        if looked_for := [name for name in pool.names if name not in pool.unknown_names]:
            warnings.append(
                f"the detector found no {' and no '.join(looked_for)}, which does not show that "
                "there is none; try a larger detector or more detection_frames"
            )
        thought = self._think(this, this.state, None)
        return make_answer(
            (),
            status="guessed",
            thought=thought,
            warnings=warnings,
            stop_reason="there is no track to choose from",
        )

    def _ground(
        self,
        this: _Round,
        state: RoundState,
        outcome: RoundOutcome,
        status: Literal["answered", "guessed", "absent"],
        chosen: Sequence[int],
        reason: str,
    ) -> Grounding:
        said = f"Chosen: {_numbers(chosen)}." if chosen else "No track was chosen."
        told = {
            **dict.fromkeys(state.chosen, "chosen"),
            **dict.fromkeys(state.dropped, "judged not to be meant"),
            **dict.fromkeys(state.undecided, "undecided"),
        }
        return make_answer(
            this.pool.of_ids(chosen),
            status=status,
            thought=self._think(this, state, outcome, temporal=said),
            answer=self._answer,
            warnings=state.warnings,
            stop_reason=reason,
            comparison=compare_tracks(this.pool.tracks, chosen, told),
        )

    def _think(
        self,
        this: _Round,
        state: RoundState,
        outcome: RoundOutcome | None,
        *,
        temporal: str = "",
    ) -> Thought:
        verdicts = outcome.verdicts if outcome is not None else None
        said = []
        if verdicts is not None:
            for name in ("true", "false", "unknown"):
                if ids := verdicts.ids(name):
                    said.append(f"{name}: {', '.join(map(str, ids))}")
        reasoning = verdicts.thought if verdicts is not None else ""
        spatial = f"{reasoning} [{'; '.join(said)}]".strip() if said else reasoning
        counts = [
            exchange["num_tokens"]
            for exchange in this.details.get("concepts", ())
            if exchange["num_tokens"] is not None
        ]
        if outcome is not None and outcome.num_tokens is not None:
            counts.append(outcome.num_tokens)
        parts = (this.linguistic, spatial, temporal)
        return Thought(
            "\n".join(filter(None, parts)),
            temporal=temporal,
            spatial=spatial,
            linguistic=this.linguistic,
            num_tokens=sum(counts) if counts else None,
            details={**this.details, STATE_KEY: state.to_dict()},
        )


def _numbers(track_ids: Sequence[int]) -> str:
    noun = "track" if len(track_ids) == 1 else "tracks"
    return f"{noun} {', '.join(map(str, track_ids))}"


def _describe_unknown(names: Sequence[str]) -> str:
    return (
        f"the detector does not know {_quoted(names)}, which was not looked for; use one with an "
        "open vocabulary, such as zero-shot, or name a more common thing"
    )


def _quoted(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in dict.fromkeys(names))
