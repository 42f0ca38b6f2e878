"""Another grounder that answers on the keyframe that the looking has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from videoseg import (
    ChatModel,
    ConfigError,
    Episode,
    Grounder,
    Grounding,
    StageError,
    Thought,
    Use,
    Window,
    default_registry,
)
from videoseg.types import FrameGroup, FrameSelection

__all__ = ["ask_answerer", "build_answerer", "select_seen_frames"]


def build_answerer(given: object, chat: ChatModel) -> Grounder:
    """Return the grounder that an option names.

    Args:
        given: The name of a component, a mapping with ``name`` and ``options``,
            ``videoseg.use(...)``, or an instance.
        chat: The chat model that it shares, if it uses one.

    Raises:
        ConfigError: If it is no grounder, or its options are not allowed.
    """
    if isinstance(given, Grounder) and not isinstance(given, type):
        return given
    use = _parse_use(given)
    registry = default_registry()
    uses = registry.find("grounder", use.name).component.uses
    if others := [kind for kind in uses if kind != "chat"]:
        raise ConfigError(
            f"o3: the answerer {use.name!r} needs a {' and a '.join(others)}, which a grounder "
            "cannot give it; pass an instance"
        )
    built = registry.build("grounder", use.name, use.options, given={"chat": chat})
    return cast(Grounder, built)


def _parse_use(given: object) -> Use:
    if isinstance(given, str):
        return Use(given)
    if isinstance(given, Use):
        return given
    if isinstance(given, Mapping):
        name, options = given.get("name"), given.get("options") or {}
        if isinstance(name, str) and isinstance(options, Mapping) and len(given) <= 2:
            return Use(name, options)
    raise ConfigError(
        "o3: the answerer must be the name of a grounder such as 'r1', a mapping "
        "{name: ..., options: {...}}, or an instance with a method step; got "
        f"{type(given).__name__}"
    )


def ask_answerer(
    answerer: Grounder, episode: Episode, window: Window, keyframe: int, thought: Thought
) -> Grounding:
    """Return the answer of another grounder on a keyframe, its thought joined to the given one.

    Args:
        answerer: The other grounder; it has one turn.
        episode: The episode whose looking has ended.
        window: The frames that the query is about.
        keyframe: The frame to answer on.
        thought: The reasoning of the last turn of the looking.

    Raises:
        StageError: If it does not answer.
    """
    selection = select_seen_frames(episode, window, keyframe)
    asked = Episode(
        episode.video, episode.query, max_turns=1, seed=episode.seed, selections=(selection,)
    )
    move = answerer.step(asked)
    if not isinstance(move, Grounding):
        name = type(answerer).__name__
        raise StageError(
            f"the answerer {name} must return a Grounding in its only turn, got "
            f"{type(move).__name__}",
            stage="grounder",
            component=name,
        )
    return replace(move, thought=_join(thought, move.thought))


def select_seen_frames(episode: Episode, window: Window, keyframe: int) -> FrameSelection:
    """Return the frames of a window that an episode has shown, and a keyframe.

    A frame that was shown at several sizes has the largest of them.
    """
    pixels: dict[int, int | None] = {}
    keyframe_pixels: int | None = None
    for selection in episode.selections:
        for group in selection.groups:
            if group.role == "keyframe":
                keyframe_pixels = _larger(keyframe_pixels, group.max_pixels)
            for frame in group.indices:
                if frame in window and frame != keyframe:
                    pixels[frame] = _larger(pixels.get(frame), group.max_pixels)
    groups = [
        FrameGroup("context", tuple(sorted(f for f in pixels if pixels[f] == size)), size)
        for size in dict.fromkeys(pixels.values())
    ]
    groups.append(FrameGroup("keyframe", (keyframe,), keyframe_pixels))
    whole = Window(min(window.start, keyframe), max(window.stop, keyframe + 1))
    return FrameSelection(tuple(groups), whole, reason="The frames that the looking has found.")


def _larger(first: int | None, second: int | None) -> int | None:
    known = [size for size in (first, second) if size is not None]
    return max(known) if known else None


def _join(looking: Thought, answer: Thought) -> Thought:
    """Return one thought: that of the looking, then that of the answer."""
    counts = [t.num_tokens for t in (looking, answer) if t.num_tokens is not None]
    texts = [t.text.strip() for t in (looking, answer)]
    facts: dict[str, Any] = {"text": answer.text, **answer.details}
    return Thought(
        "\n\n".join(filter(None, texts)),
        temporal=looking.temporal or answer.temporal,
        spatial=looking.spatial or answer.spatial,
        linguistic=looking.linguistic or answer.linguistic,
        num_tokens=sum(counts) if counts else None,
        details={**looking.details, "answerer": facts},
    )
