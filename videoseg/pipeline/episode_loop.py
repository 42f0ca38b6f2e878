"""The loop of an episode: show a selection, take the grounder's move, until it answers."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache

from videoseg.errors import StageError
from videoseg.pipeline.config import DEFAULT_MAX_TURNS, check_max_turns
from videoseg.pipeline.observation import Observation
from videoseg.plugins import Registry
from videoseg.stages import FrameSampler, Grounder
from videoseg.text import shorten
from videoseg.types import Episode, FrameSelection, Grounding, Look, VideoSource, Window

__all__ = ["run_episode"]

_DEEPEST = 100
_MOST_VALUES = 1_000_000
_MOST_CHARACTERS = 2**25


def run_episode(
    video: VideoSource,
    query: str,
    *,
    sampler: FrameSampler,
    grounder: Grounder,
    max_turns: int = DEFAULT_MAX_TURNS,
    seed: int = 0,
    window: Window | None = None,
    keyframe: int | None = None,
    observation: Observation | None = None,
    names: tuple[str, str] = ("", ""),
) -> Episode:
    """Run one query on one video until the grounder answers.

    Inference and training rollouts both run exactly this loop.

    Args:
        video: The video; its number of frames must be known.
        query: The user's sentence.
        sampler: Called for the whole window first, then for every look.
        grounder: Asked for one move at a time.
        max_turns: How many moves the grounder has; the last must be an answer.
        seed: Seed of the episode; turn t samples with ``seed + t``.
        window: Where the episode takes place; by default the whole video.
        keyframe: The keyframe of the first selection; by default the sampler's choice.
        observation: The observers of the run.
        names: The names of sampler and grounder in messages.

    Returns:
        The finished episode; its last move is the grounding.

    Raises:
        StageError: If a stage fails or breaks its contract.
    """
    max_turns = check_max_turns(max_turns)
    observation = observation or Observation(_unobserved())
    sampler_name = names[0] or type(sampler).__name__
    grounder_name = names[1] or type(grounder).__name__
    whole = window or Window(0, len(video))
    episode = Episode(video, query, max_turns=max_turns, seed=seed)
    look = Look(whole, keyframe)
    while True:
        turn = episode.turn
        with observation.stage("sampler", sampler_name, turn=turn):
            selection = sampler.sample(
                video, query, window=look.window, keyframe=look.keyframe, seed=seed + turn
            )
            _check_selection(selection, look, sampler_name)
        sampler_seconds = observation.last_seconds
        episode = replace(episode, selections=(*episode.selections, selection))
        with observation.stage("grounder", grounder_name, turn=turn):
            move = grounder.step(episode)
            _check_move(move, episode, whole, grounder_name)
        if isinstance(move, Look):
            inside = move.window.clamped(whole)
            keyframe = None if move.keyframe is None else whole.nearest(move.keyframe)
            move = replace(move, window=inside, keyframe=keyframe)
        elif move.window is not None:
            move = replace(move, window=move.window.clamped(whole))
        episode = replace(
            episode,
            moves=(*episode.moves, move),
            seconds=(*episode.seconds, (sampler_seconds, observation.last_seconds)),
        )
        if isinstance(move, Grounding):
            return episode
        look = move


@lru_cache(maxsize=1)
def _unobserved() -> Registry:
    """Return a registry without observers; reading what is installed takes 10 ms each time."""
    return Registry(allow=())


def _check_selection(selection: object, look: Look, name: str) -> None:
    window = look.window
    if not isinstance(selection, FrameSelection):
        problem = f"must return a FrameSelection, got {type(selection).__name__}"
    elif outside := _find_outside(selection, look):
        problem = f"chose frame {shorten(outside[0])}, outside the window {_bounds(window)}"
    else:
        problem = _too_large(selection.reason, selection.details)
    if problem:
        raise StageError(f"sampler {name!r} {problem}", stage="sampler", component=name)


def _bounds(window: Window) -> str:
    return f"[{window.start}, {window.stop})"


def _find_outside(selection: FrameSelection, look: Look) -> list[int]:
    """Return frames outside the window; a keyframe that was asked for may lie anywhere."""
    others = [group for group in selection.groups if group.role != "keyframe"]
    indices = [index for group in others for index in group.indices]
    if selection.keyframe is not None and selection.keyframe != look.keyframe:
        indices.append(selection.keyframe)
    return [index for index in indices if index not in look.window]


def _check_move(move: object, episode: Episode, whole: Window, name: str) -> None:
    problem = ""
    if not isinstance(move, Look | Grounding):
        problem = f"must return a Look or a Grounding, got {type(move).__name__}"
    elif isinstance(move, Look):
        if episode.must_answer:
            problem = f"looked again in turn {episode.turn + 1} of {episode.max_turns}, the last"
    else:
        frames = [prompt.frame for prompt in move.prompts]
        if move.keyframe is not None:
            frames.append(move.keyframe)
        outside = [frame for frame in frames if frame not in whole]
        if outside:
            is_whole = whole == Window(0, len(episode.video))
            where = "video" if is_whole else f"window {_bounds(whole)}"
            problem = f"answered with frame {shorten(outside[0])}, outside the {where}"
    if not problem and isinstance(move, Look | Grounding):
        thought = move.thought
        texts = (thought.text, thought.temporal, thought.spatial, thought.linguistic)
        answer: tuple[object, ...] = ()
        if isinstance(move, Grounding):
            answer = (move.stop_reason, move.judged, move.unjudged)
        problem = _too_large(*texts, thought.action, *answer, thought.details)
    if problem:
        raise StageError(f"grounder {name!r} {problem}", stage="grounder", component=name)


def _too_large(*answer: object) -> str:
    """Return how parts of an answer are larger than any result that could be saved."""
    num_values, num_characters = 0, 0
    waiting: list[tuple[object, int]] = [(part, 0) for part in answer]
    while waiting:
        value, depth = waiting.pop()
        num_values += 1
        if isinstance(value, str | bytes):
            num_characters += len(value)
        elif depth < _DEEPEST and isinstance(value, Mapping):
            waiting += ((part, depth + 1) for pair in value.items() for part in pair)
        elif depth < _DEEPEST and isinstance(value, list | tuple | AbstractSet):
            waiting += ((part, depth + 1) for part in value)
        # Parts that are shared count each time, as each is written each time.
        if num_values + len(waiting) > _MOST_VALUES or num_characters > _MOST_CHARACTERS:
            return (
                "answered with more than a result can hold: at most "
                f"{_MOST_VALUES:,} values and {_MOST_CHARACTERS:,} characters are kept in details "
                "and texts"
            )
    return ""
