"""An episode: one query on one video, with the selections shown and the moves made.

A sampler returns a ``FrameSelection``; a grounder returns a move, either a ``Look`` (show me
this window) or a ``Grounding`` (the answer), each with its ``Thought``. ``Episode`` is what the
grounder sees before its next move, ``Trace`` what a result keeps of it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Window
from videoseg.types.prompts import Prompt
from videoseg.types.scalars import (
    optional,
    real_number,
    set_fields,
    text_of,
    texts_of,
    whole_number,
    whole_numbers,
)
from videoseg.types.video import VideoSource

__all__ = [
    "Episode",
    "FrameGroup",
    "FrameRole",
    "FrameSelection",
    "Grounding",
    "Look",
    "Move",
    "Thought",
    "Trace",
    "TraceTurn",
]

FrameRole: TypeAlias = Literal["context", "detail", "keyframe"]


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Frames that are shown for one purpose, at one size.

    Args:
        role: ``context`` (many, small), ``detail`` (few, larger) or ``keyframe`` (one, largest).
        indices: Frame indices of the source video.
        max_pixels: Upper bound on height x width at which a model should see each frame;
            None for no bound.

    Raises:
        ConfigError: If there is no frame, a number is not a whole number or out of range, or a
            keyframe group holds several frames.
    """

    role: FrameRole
    indices: tuple[int, ...]
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        indices = whole_numbers(self.indices, f"a frame index of a frame group ({self.role})")
        set_fields(self, indices=indices)
        if not self.indices:
            raise ConfigError(f"a frame group ({self.role}) needs at least one frame")
        if min(self.indices) < 0:
            raise ConfigError(f"frame indices must not be negative, got {min(self.indices)}")
        if self.role == "keyframe" and len(self.indices) != 1:
            raise ConfigError(f"a keyframe group holds one frame, got {len(self.indices)}")
        max_pixels = optional(whole_number, self.max_pixels, "max_pixels", least=1)
        set_fields(self, max_pixels=max_pixels)


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """The frames a sampler chose.

    Args:
        groups: Groups of frame indices; see ``FrameGroup``.
        window: The range of the video they come from.
        confidence: How sure the sampler is of window and keyframe, in [0, 1]; None if it
            does not know.
        reason: One or two sentences a person can read.
        details: Anything else worth keeping in the result, JSON-serializable.

    Example:
        >>> selection = FrameSelection.of([0, 8, 16], window=Window(0, 20), keyframe=8)
        >>> selection.keyframe
        8
    """

    groups: tuple[FrameGroup, ...]
    window: Window
    confidence: float | None = None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_fields(self, groups=tuple(self.groups))
        if not self.groups:
            raise ConfigError("a frame selection needs at least one group of frames")
        if sum(group.role == "keyframe" for group in self.groups) > 1:
            raise ConfigError("a frame selection holds at most one keyframe")
        what = "of a frame selection"
        set_fields(
            self,
            reason=text_of(self.reason, f"the reason {what}"),
            confidence=optional(real_number, self.confidence, f"the confidence {what}"),
        )

    @staticmethod
    def of(
        indices: Iterable[int],
        *,
        window: Window,
        keyframe: int | None = None,
        confidence: float | None = None,
        reason: str = "",
    ) -> FrameSelection:
        """Build the common selection: some context frames and, if given, a keyframe."""
        groups = [FrameGroup("context", tuple(indices))]
        if keyframe is not None:
            groups.append(FrameGroup("keyframe", (keyframe,)))
        return FrameSelection(tuple(groups), window, confidence=confidence, reason=reason)

    @property
    def indices(self) -> tuple[int, ...]:
        """All frame indices, sorted, each once."""
        return tuple(sorted({index for group in self.groups for index in group.indices}))

    @property
    def keyframe(self) -> int | None:
        """The keyframe, or None if the sampler leaves that choice to the grounder."""
        return next((group.indices[0] for group in self.groups if group.role == "keyframe"), None)

    def of_role(self, role: FrameRole) -> tuple[int, ...]:
        """Return the frame indices of one role, in order."""
        return tuple(
            index for group in self.groups if group.role == role for index in group.indices
        )


@dataclass(frozen=True, slots=True)
class Thought:
    """The reasoning behind one move.

    Args:
        text: The whole reasoning, as the grounder gave it.
        temporal: The part about when, if the grounder separates it.
        spatial: The part about where.
        linguistic: The part about what the words mean.
        num_tokens: Tokens generated, where a language model was asked.
        details: Anything else worth keeping (raw answers, prompts), JSON-serializable.
    """

    text: str = ""
    temporal: str = ""
    spatial: str = ""
    linguistic: str = ""
    num_tokens: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("text", "temporal", "spatial", "linguistic")
        texts = {name: text_of(getattr(self, name), f"{name} of a thought") for name in names}
        num_tokens = optional(whole_number, self.num_tokens, "num_tokens of a thought")
        set_fields(self, **texts, num_tokens=num_tokens)

    @property
    def dimensions(self) -> dict[str, str]:
        """What was said about each dimension, by ``temporal``, ``spatial``, ``linguistic``.

        Dimensions without text are left out; empty if the reasoning is ``text`` alone.

        Example:
            >>> Thought(spatial="left of the cup").dimensions
            {'spatial': 'left of the cup'}
        """
        names = ("temporal", "spatial", "linguistic")
        return {name: text for name in names if (text := getattr(self, name)).strip()}


@dataclass(frozen=True, slots=True)
class Look:
    """A grounder's move: show me this window (and this keyframe) before I answer.

    Raises:
        ConfigError: If the keyframe is not a whole number.
    """

    window: Window
    keyframe: int | None = None
    thought: Thought = field(default_factory=Thought)

    def __post_init__(self) -> None:
        keyframe = optional(whole_number, self.keyframe, "the keyframe of a look")
        set_fields(self, keyframe=keyframe)


@dataclass(frozen=True, slots=True)
class Grounding:
    """A grounder's answer: where the queried objects are. No prompts: not in this video.

    Args:
        keyframe: The frame on which the objects were localized; None if there are none.
        prompts: One for each object; several for one object on different frames are allowed.
        thought: The reasoning of this last move.
        confidence: How sure the grounder is, in [0, 1]; None if it does not know.
        warnings: What the user should know (words that could not be judged, ...).

    Raises:
        ConfigError: If there are prompts but no keyframe, two prompts for one object on one
            frame, or a part of another type.
    """

    keyframe: int | None
    prompts: tuple[Prompt, ...] = ()
    thought: Thought = field(default_factory=Thought)
    confidence: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = "of a grounding"
        set_fields(
            self,
            prompts=_all_prompts(self.prompts),
            keyframe=optional(whole_number, self.keyframe, f"the keyframe {what}", least=0),
            confidence=optional(real_number, self.confidence, f"the confidence {what}"),
            warnings=texts_of(self.warnings, f"the warnings {what}"),
        )
        if self.prompts and self.keyframe is None:
            raise ConfigError("a grounding with prompts needs a keyframe")
        seen: set[tuple[int, int]] = set()
        for prompt in self.prompts:
            if (prompt.object_id, prompt.frame) in seen:
                raise ConfigError(
                    f"object {prompt.object_id} has two prompts on frame {prompt.frame}; "
                    "merge them into one"
                )
            seen.add((prompt.object_id, prompt.frame))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects found, sorted."""
        return tuple(sorted({prompt.object_id for prompt in self.prompts}))

    @property
    def found(self) -> bool:
        """Whether anything in the video answers the query."""
        return bool(self.prompts)


Move: TypeAlias = Look | Grounding
"""What a grounder returns from one step."""


def _all_prompts(given: Any) -> tuple[Prompt, ...]:
    prompts = tuple(given) if isinstance(given, Iterable) else (given,)
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            raise ConfigError(
                "the prompts of a grounding must be a sequence of Prompt: "
                f"(Prompt(object_id, frame, box=...),); got {shorten(prompt)}"
            )
    return prompts


@dataclass(frozen=True, slots=True)
class TraceTurn:
    """One turn of an episode: what was seen, what was thought, what was done.

    Args:
        selection: The frames shown in this turn.
        action: ``look`` or ``answer``.
        thought: The reasoning.
        look_window: The window asked for, if the action is ``look``.
        look_keyframe: The keyframe asked for, if the action is ``look`` and it named one.
        sampler_seconds: Time the sampler took.
        grounder_seconds: Time the grounder took.
    """

    selection: FrameSelection
    action: Literal["look", "answer"]
    thought: Thought
    look_window: Window | None = None
    look_keyframe: int | None = None
    sampler_seconds: float = 0.0
    grounder_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """The reasoning of an episode, turn by turn. ``print(trace)`` is meant to be read."""

    turns: tuple[TraceTurn, ...] = ()

    @property
    def num_tokens(self) -> int | None:
        """Tokens generated over all turns; None if no turn reports any."""
        counts = [t.thought.num_tokens for t in self.turns if t.thought.num_tokens is not None]
        return sum(counts) if counts else None

    def __str__(self) -> str:
        lines: list[str] = []
        for number, turn in enumerate(self.turns, start=1):
            window = turn.selection.window
            shown = ", ".join(str(index) for index in turn.selection.indices)
            lines.append(f"Turn {number}: frames {window.start}-{window.stop - 1}, saw {shown}")
            if turn.selection.reason:
                lines.append(f"  selection: {turn.selection.reason}")
            if parts := turn.thought.dimensions:
                lines += [f"  {name}: {text}" for name, text in parts.items()]
            elif turn.thought.text:
                lines.append(f"  thought: {turn.thought.text}")
            if turn.look_window is not None:
                asked = f"frames {turn.look_window.start}-{turn.look_window.stop - 1}"
                keyframe = turn.look_keyframe
                asked += f", keyframe {keyframe}" if keyframe is not None else ""
                lines.append(f"  -> look at {asked}")
            else:
                lines.append("  -> answer")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Episode:
    """One query on one video, as a grounder sees it before its next move.

    The pipeline owns the loop: it shows a selection, asks for a move and appends both.
    A grounder keeps no state; everything it has seen and said is in the episode.

    Args:
        video: The video.
        query: The user's sentence.
        max_turns: How many moves the grounder has in all; the last must be an answer.
        seed: Seed for anything random in this episode.
        selections: What was shown, one for each turn so far, the current one last.
        moves: What the grounder did, one for each finished turn.
        seconds: (sampler, grounder) seconds of each finished turn.
    """

    video: VideoSource
    query: str
    max_turns: int = 1
    seed: int = 0
    selections: tuple[FrameSelection, ...] = ()
    moves: tuple[Move, ...] = ()
    seconds: tuple[tuple[float, float], ...] = field(default=(), compare=False)

    @property
    def selection(self) -> FrameSelection:
        """The frames shown in the current turn."""
        return self.selections[-1]

    @property
    def turn(self) -> int:
        """Index of the current turn, from 0."""
        return len(self.moves)

    @property
    def turns_left(self) -> int:
        """How many moves remain, the current one included."""
        return self.max_turns - len(self.moves)

    @property
    def must_answer(self) -> bool:
        """Whether this is the last turn, in which a look is not allowed."""
        return self.turns_left <= 1

    @property
    def grounding(self) -> Grounding | None:
        """The answer, once it has been given."""
        last = self.moves[-1] if self.moves else None
        return last if isinstance(last, Grounding) else None

    @property
    def trace(self) -> Trace:
        """The reasoning of the finished turns."""
        turns = []
        for index, (selection, move) in enumerate(zip(self.selections, self.moves, strict=False)):
            seconds = self.seconds[index] if index < len(self.seconds) else (0.0, 0.0)
            look = move if isinstance(move, Look) else None
            turns.append(
                TraceTurn(
                    selection,
                    "look" if look else "answer",
                    move.thought,
                    look_window=look.window if look else None,
                    look_keyframe=look.keyframe if look else None,
                    sampler_seconds=seconds[0],
                    grounder_seconds=seconds[1],
                )
            )
        return Trace(tuple(turns))
