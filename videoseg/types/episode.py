"""One query on one video: the selections seen and the moves made so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videoseg.types.geometry import Window
from videoseg.types.grounding import Grounding, Look, Move, Thought
from videoseg.types.selection import FrameSelection
from videoseg.types.video import VideoSource

__all__ = ["Episode", "Trace", "TraceTurn"]


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
            parts = (
                ("temporal", turn.thought.temporal),
                ("spatial", turn.thought.spatial),
                ("linguistic", turn.thought.linguistic),
            )
            if any(text for _, text in parts):
                lines += [f"  {name}: {text}" for name, text in parts if text]
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
    A grounder keeps no state of its own; everything it said and saw is here.

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
