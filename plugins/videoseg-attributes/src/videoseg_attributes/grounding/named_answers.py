"""Answers queries that name things: the detector finds them, the rest of the query chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from videoseg.types import Episode, FloatArray, Grounding, Prompt, RoughPlace, VideoSource
from videoseg_attributes.grounding.choosing import TrackChoice, choose_among
from videoseg_attributes.grounding.explanation import describe_box, join_texts, make_label
from videoseg_attributes.grounding.language import KnownNouns, QueryPlan, parse_query
from videoseg_attributes.grounding.name_finder import FoundTracks, NameFinder
from videoseg_attributes.grounding.named_tracks import NamedTrack

__all__ = ["NamedAnswer", "answer_by_name"]

# Set by hand; not measured separately.
_SEEN = 0.3  # score of a name from which a thing was seen at all
_MAY_BE_SEEN = 0.1  # below it, nothing of the name was found
_CUT_BY_BORDER = 0.7  # weight of a frame on which a box touches the border
_COVERED = 0.5  # how much a frame counts less on which others cover the whole box
_MOVES, _STILL_WEIGHT = 0.2, 0.1  # of its most motion; weight of a frame without any
_SHOWN_TOGETHER = 0.7  # of how well its own best frame shows a thing


@dataclass(frozen=True, eq=False, slots=True)
class NamedAnswer:
    """An answer by name.

    Args:
        grounding: The answer; None if nothing was found by the name, which proves nothing.
        note: What to tell the user if the query is answered without its noun.
    """

    grounding: Grounding | None
    note: str = ""


def answer_by_name(episode: Episode, finder: NameFinder, *, num_frames: int) -> NamedAnswer | None:
    """Answer a query that names what it asks for; None if the detector knows no such name.

    Args:
        episode: The episode.
        finder: Finds things by their names.
        num_frames: How many frames to look at.

    Raises:
        QueryError: If the query has no words.
        VideoError: If a frame cannot be decoded.
    """
    names = frozenset(finder.list_names(episode.query))
    why = "the detector does not know it"
    if not names or not parse_query(episode.query, KnownNouns(names, names, why)).meant.is_named:
        return None
    window = episode.selections[0].window
    found = finder.find(episode.video, window, sorted(names), num_frames=num_frames)
    seen = {
        name
        for track in found.tracks
        for name, score in track.names.items()
        if name in names and score >= _SEEN
    }
    plan = parse_query(episode.query, KnownNouns(names, frozenset(seen), why))
    choice = choose_among(episode.video, plan, found.tracks, found.frames, hints=found.hints)
    if not choice.track_ids and choice.status != "absent" and not _found_any(plan, found):
        return NamedAnswer(None, f"{choice.reason}; the answer does not use the name")
    return NamedAnswer(_ground(episode.video, plan, found, choice))


def _found_any(plan: QueryPlan, found: FoundTracks) -> bool:
    target = plan.meant
    name = target.name or (target.within.name if target.within else None)
    return any(track.names.get(name or "", 0.0) >= _MAY_BE_SEEN for track in found.tracks)


def _ground(
    video: VideoSource, plan: QueryPlan, found: FoundTracks, choice: TrackChoice
) -> Grounding:
    tracks = {track.track_id: track for track in found.tracks}
    chosen = [tracks[track_id] for track_id in choice.track_ids]
    keyframes = _choose_keyframes(video, chosen, found, choice) if chosen else ()
    prompts = tuple(
        Prompt(
            number,
            frame,
            box=track.box(frame),
            mask=track.masks.get(frame),
            label=make_label(plan, words),
            score=score,
        )
        for number, (track, frame, score, words) in enumerate(
            zip(chosen, keyframes, choice.scores, choice.words, strict=True), start=1
        )
    )
    thought = choice.thought
    looked = (
        f"The detector was shown {len(found.frames)} frames, {found.frames[0]} to "
        f"{found.frames[-1]}."
    )
    placed = " ".join(
        f"Object {prompt.object_id} is candidate {track.track_id} ({track.label}), on frame "
        f"{prompt.frame}: {describe_box(prompt.box.as_tuple()) if prompt.box else ''}, score "
        f"{prompt.score or 0:.2f}."
        for prompt, track in zip(prompts, chosen, strict=True)
    )
    temporal = join_texts(looked, thought.temporal)
    spatial = join_texts(thought.spatial, placed)
    details = {
        **thought.details,
        "detections": [
            {
                "candidate": track.track_id,
                "names": {name: round(score, 3) for name, score in track.names.items()},
                "frames": list(track.frames),
            }
            for track in found.tracks
        ],
    }
    return Grounding(
        prompts[0].frame if prompts else None,
        prompts,
        thought=type(thought)(
            join_texts(thought.linguistic, temporal, spatial),
            temporal=temporal,
            spatial=spatial,
            linguistic=thought.linguistic,
            details=details,
        ),
        confidence=choice.confidence,
        warnings=choice.warnings,
        status=choice.status,
        judged=choice.judged,
        unjudged=choice.unjudged,
        comparison=choice.comparison and replace(choice.comparison, frames=found.frames),
        places=tuple(_list_places(chosen, found, choice)),
    )


def _choose_keyframes(
    video: VideoSource, chosen: Sequence[NamedTrack], found: FoundTracks, choice: TrackChoice
) -> tuple[int, ...]:
    """Return for each thing the frame that shows it best; one for all if it shows each well."""
    shown = np.stack(
        [
            _measure_clearness(video, track, found)
            * _weigh_motion(choice.motion.get(track.track_id, {}), found.frames)
            for track in chosen
        ]
    )
    together = shown.min(axis=0)
    best = int(np.argmax(together))
    return tuple(
        found.frames[best if own[best] >= _SHOWN_TOGETHER * own.max() else int(np.argmax(own))]
        for own in shown
    )


def _list_places(
    chosen: Sequence[NamedTrack], found: FoundTracks, choice: TrackChoice
) -> Iterator[RoughPlace]:
    """Yield where each thing was seen, less surely where it does not move as it should."""
    for number, track in enumerate(chosen, start=1):
        weights = _weigh_motion(choice.motion.get(track.track_id, {}), found.frames)
        for frame, weight in zip(found.frames, weights, strict=True):
            box = track.box(frame)
            if box is not None:
                score = float(weight) * track.scores.get(frame, 1.0)
                yield RoughPlace(number, frame, box, min(1.0, score))


def _measure_clearness(video: VideoSource, track: NamedTrack, found: FoundTracks) -> FloatArray:
    """Return how well each frame shows a thing, in [0, 1]; 0 where it is not seen."""
    height, width = video.size
    clearness = np.zeros(len(found.frames))
    for position, frame in enumerate(found.frames):
        box = track.box(frame)
        if box is None:
            continue
        is_cut = min(box.x1, box.y1) < 2 or box.x2 > width - 2 or box.y2 > height - 2
        covered = max(
            (
                _share_covered(box.as_tuple(), other.as_tuple())
                for one in found.tracks
                if one is not track and (other := one.box(frame)) is not None
            ),
            default=0.0,
        )
        sure = track.scores.get(frame, 1.0) * (1 - _COVERED * covered)
        clearness[position] = sure * (_CUT_BY_BORDER if is_cut else 1.0)
    return clearness


def _weigh_motion(motion: Mapping[int, float], frames: Sequence[int]) -> FloatArray:
    """Return how far each frame shows what moves, in [0, 1], where its motion tells a thing apart.

    In a crowd a track may pass from one person to another; the one that moves is meant.
    """
    most = max(motion.values(), default=0.0)
    if most <= 0:
        return np.ones(len(frames))
    shares = np.array([motion.get(frame, 0.0) / most for frame in frames])
    weights: FloatArray = np.clip(shares / _MOVES, _STILL_WEIGHT, 1.0)
    return weights


def _share_covered(
    box: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(0.0, width) * max(0.0, height) / max(1e-9, area)
