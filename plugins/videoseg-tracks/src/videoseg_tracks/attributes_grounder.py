"""The grounder ``track-then-choose-attributes``: measured attributes choose among tracks."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Interval
from videoseg_attributes import NamedTrack, TrackChoice, choose_tracks
from videoseg_attributes.grounding.language import list_names

from videoseg import Episode, Grounding, Window
from videoseg.plugins import PositiveInt, checked_options
from videoseg.samplers import evenly_spaced
from videoseg.types import Comparison
from videoseg_tracks.answering import Answer, describe_pool, list_tracks, make_answer
from videoseg_tracks.components import (
    build_detector,
    build_follower,
    close_all,
    devices_of,
)
from videoseg_tracks.finding import TrackFinder
from videoseg_tracks.pool_cache import PoolCache
from videoseg_tracks.tracks import Track, TrackPool

__all__ = ["TrackAttributesGrounder"]

_OWNER = "track-then-choose-attributes"
_ANYTHING = ("person", "animal", "vehicle", "object")
"""What a detector with an open vocabulary is asked for where the query has no noun."""


class TrackAttributesGrounder:
    """Tracks everything of the named kind first, then chooses by measured attributes.

    As ``track-then-choose``, without a chat model: the nouns of the query are what the detector
    looks for, and ``videoseg_attributes.choose_tracks`` judges the tracks by name, color, size,
    place, motion, time, number and relations. A query without a noun that the detector knows is
    judged among everything that it knows. Takes one turn; status, judged and unjudged words are
    those of ``choose_tracks``, but nothing is ``absent`` where ``max_tracks`` left things out.

    Args:
        segmenter: Makes masks of the detector's boxes: that of the pipeline. None only if the
            detector makes masks or the propagator takes boxes.
        detector: The name of a detector, a mapping of ``name`` and ``options``, or an instance.
        propagator: What follows the things through the video, given likewise; by default
            ``flow``, or the detector itself if it tracks, as ``sam3`` does.
        detection_frames: How many frames the detector is asked on.
        measured_frames: On how many frames the tracks are measured.
        max_tracks: How many tracks there are at most.
        min_score: Detections below are not used.
        answer: ``tracks``, or ``keyframe``: one mask of each object.

    Raises:
        ConfigError: If an option is not allowed.
        MissingWeightsError: If the weights of detector or propagator are not on this machine.
    """

    @checked_options("grounder 'track-then-choose-attributes'")
    def __init__(
        self,
        *,
        segmenter: Any = None,
        detector: Any = "yolox",
        propagator: Any = None,
        detection_frames: PositiveInt = 16,
        measured_frames: PositiveInt = 24,
        max_tracks: PositiveInt = 12,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        answer: Answer = "tracks",
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
        self._measured_frames = measured_frames
        self._answer: Answer = answer
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

    def step(self, episode: Episode) -> Grounding:
        """Answer; see ``Grounder.step``.

        Raises:
            QueryError: If the query has no words.
            VideosegError: If detector, segmenter or propagator fail.
        """
        window = episode.selections[0].window
        names = list_names(episode.query, self._detector.unknown_names, self._detector.vocabulary)
        pool = self._find(episode, names or self._anything(), window)
        choice = choose_tracks(
            episode.video,
            episode.query,
            [_named(track) for track in pool.tracks],
            # What was looked for without being named says nothing of the words of the query.
            searched=names,
            frames=evenly_spaced(window, self._measured_frames),
        )
        return self._make_grounding(pool, choice)

    def _anything(self) -> tuple[str, ...]:
        vocabulary = self._detector.vocabulary
        return _ANYTHING if vocabulary is None else tuple(vocabulary)

    def _find(self, episode: Episode, names: tuple[str, ...], window: Window) -> TrackPool:
        return self._pools.get(
            episode.video,
            (names, window.start, window.stop, episode.seed),
            lambda: self._finder.find(episode.video, names, window=window, seed=episode.seed),
        )

    def _make_grounding(self, pool: TrackPool, choice: TrackChoice) -> Grounding:
        looked = describe_pool(pool)
        thought = choice.thought
        thought = replace(
            thought,
            text=f"{looked}\n{thought.text}".strip(),
            linguistic=f"{looked} {thought.linguistic}".strip(),
            details={**thought.details, "tracks": list_tracks(pool.tracks)},
        )
        warnings = [*choice.warnings]
        status = choice.status
        if status == "absent" and pool.num_left_out:
            # What contradicts the query is not all that there is.
            status = "guessed"
        if choice.reason and status == "guessed":
            warnings.append(choice.reason)
        by_id = {track.track_id: track for track in pool.tracks}
        return make_answer(
            [by_id[track_id] for track_id in choice.track_ids],
            status=status,
            thought=thought,
            answer=self._answer,
            warnings=[*warnings, *pool.warnings],
            confidence=choice.confidence,
            judged=choice.judged,
            unjudged=choice.unjudged,
            stop_reason=choice.reason,
            comparison=choice.comparison and _number_objects(choice.comparison),
        )


def _number_objects(comparison: Comparison) -> Comparison:
    """Return a comparison in which the objects of the answer have the numbers of their tracks."""
    candidates = tuple(
        one if one.object_id is None else replace(one, object_id=one.number)
        for one in comparison.candidates
    )
    return replace(comparison, candidates=candidates)


def _named(track: Track) -> NamedTrack:
    return NamedTrack(track.track_id, {track.name: min(1.0, track.score)}, masks=track.masks)
