"""An episode: one query on one video, with the selections shown and the moves made.

A sampler returns a ``FrameSelection``; a grounder returns a move, either a ``Look`` (show me
this window) or a ``Grounding`` (the answer), each with its ``Thought``. ``Episode`` is what the
grounder sees before its next move, ``Trace`` what a result keeps of it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast, get_args

from videoseg.errors import ConfigError
from videoseg.text import format_count, shorten
from videoseg.types.comparison import Comparison
from videoseg.types.geometry import Window
from videoseg.types.prompts import Prompt, RoughPlace
from videoseg.types.scalars import (
    optional,
    real_number,
    set_fields,
    text_of,
    texts_of,
    whole_number,
)
from videoseg.types.selection import FrameRole, FrameSelection
from videoseg.types.video import VideoSource

__all__ = [
    "AnswerStatus",
    "Episode",
    "Grounding",
    "Look",
    "Move",
    "Thought",
    "Trace",
    "TraceTurn",
    "summarize_answer",
]

AnswerStatus: TypeAlias = Literal["answered", "guessed", "absent"]
"""How far an answer can be trusted: ``answered`` (the whole query was judged), ``guessed`` (part
of it could not be judged, or what was seen does not decide it), ``absent`` (what was seen
contradicts the query)."""


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
        action: What the grounder decided to do next, in its own words, if it separates it.
    """

    text: str = ""
    temporal: str = ""
    spatial: str = ""
    linguistic: str = ""
    num_tokens: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    action: str = ""

    def __post_init__(self) -> None:
        names = ("text", "temporal", "spatial", "linguistic", "action")
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

    @property
    def parts(self) -> dict[str, str]:
        """What was said in each part: ``dimensions``, then ``action``.

        Parts without text are left out; empty if the reasoning is ``text`` alone.
        """
        action = {"action": self.action} if self.action.strip() else {}
        return {**self.dimensions, **action}


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
    """A grounder's answer: where the queried objects are.

    No prompts with the status ``absent``: not in this video. No prompts with ``guessed``: nothing
    that fits was seen, which does not show that there is nothing; ``warnings`` say why.

    Args:
        keyframe: The frame on which the objects were localized; None if there are none.
        prompts: One for each object; several for one object on different frames are allowed.
        thought: The reasoning of this last move.
        confidence: How sure the grounder is, in [0, 1]; None if it does not know.
        warnings: What the user should know (words that could not be judged, ...).
        window: The part of the video that the answer is about; None if the grounder names none.
            It says when; masks are propagated over the whole video all the same.
        stop_reason: Why the grounder answered now and did not look again, in one sentence.
        status: How far the answer can be trusted. None, for a grounder that does not tell:
            ``answered`` if there are prompts, else ``absent``. With ``dataclasses.replace``,
            other prompts make it the other of these two; ``guessed`` stays.
        judged: The words of the query that the answer rests on, if the grounder tells them.
        unjudged: The words of the query that could not be judged.
        appears_at_prompt: Whether each object appears on the frame of its first prompt. Masks are
            then propagated forward only, and no object has a mask before that frame.
        comparison: The candidates among which the grounder chose, if it tells them.
        places: Where the grounder saw the objects on other frames, roughly. Propagators that
            heed such (``videoseg.stages.HeedsPlaces``) are told them; they are no prompts.

    Raises:
        ConfigError: If there are prompts but no keyframe, two prompts or two places for one
            object on one frame, a status that contradicts the prompts, or a part of another
            type.

    Example:
        >>> Grounding(None).status, Grounding(None, status="guessed").status
        ('absent', 'guessed')
    """

    keyframe: int | None
    prompts: tuple[Prompt, ...] = ()
    thought: Thought = field(default_factory=Thought)
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    window: Window | None = None
    stop_reason: str = ""
    status: AnswerStatus | None = None
    judged: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    appears_at_prompt: bool = False
    comparison: Comparison | None = None
    places: tuple[RoughPlace, ...] = ()

    def __post_init__(self) -> None:
        what = "of a grounding"
        set_fields(
            self,
            prompts=_all_prompts(self.prompts),
            places=_all_places(self.places),
            keyframe=optional(whole_number, self.keyframe, f"the keyframe {what}", least=0),
            confidence=optional(real_number, self.confidence, f"the confidence {what}"),
            warnings=texts_of(self.warnings, f"the warnings {what}"),
            stop_reason=text_of(self.stop_reason, f"the stop reason {what}"),
            status=_checked_status(self.status, found=bool(self.prompts)),
            judged=texts_of(self.judged, f"the judged words {what}"),
            unjudged=texts_of(self.unjudged, f"the words {what} that were not judged"),
        )
        if self.prompts and self.keyframe is None:
            raise ConfigError("a grounding with prompts needs a keyframe")
        _check_single(self.prompts, "prompts")
        _check_single(self.places, "places")

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects found, sorted."""
        return tuple(sorted({prompt.object_id for prompt in self.prompts}))

    @property
    def named_prompts(self) -> tuple[Prompt, ...]:
        """The prompts as they are shown: those of a guess without labels.

        The words of a guess may well be wrong, so they do not become names of objects.
        """
        if self.status != "guessed":
            return self.prompts
        return tuple(replace(prompt, label="") for prompt in self.prompts)

    @property
    def found(self) -> bool:
        """Whether objects were found, for certain or as a guess; see ``status``."""
        return bool(self.prompts)


class _SaidByPrompts(str):
    """The status ``answered`` or ``absent``, which says no more than the prompts do.

    ``dataclasses.replace`` passes every field on. With other prompts this one is read again from
    them, where the same word from a grounder would contradict them.
    """

    __slots__ = ()


def _checked_status(given: Any, *, found: bool) -> AnswerStatus:
    said = "answered" if found else "absent"
    if given is None or given == said or isinstance(given, _SaidByPrompts):
        return cast("AnswerStatus", _SaidByPrompts(said))
    known = get_args(AnswerStatus)
    if given not in known:
        raise ConfigError(
            f"the status of a grounding must be one of {', '.join(known)}, or None; "
            f"got {shorten(given)}"
        )
    if given == ("absent" if found else "answered"):
        having = "with prompts" if found else "without prompts"
        other = "answered" if found else "absent"
        raise ConfigError(
            f"a grounding {having} cannot be {given!r}; pass 'guessed', {other!r}, or None for "
            "what the prompts say"
        )
    return "guessed"


def summarize_answer(grounding: Grounding, num_objects: int) -> str:
    """Return an answer in a few words, such as ``2 objects`` or ``1 object, a guess``.

    Args:
        grounding: The answer.
        num_objects: How many objects have masks.
    """
    if num_objects:
        guess = ", a guess" if grounding.status == "guessed" else ""
        return format_count(num_objects, "object") + guess
    if grounding.found:
        return "no masks were made"
    absent = grounding.status == "absent"
    return "not in this video" if absent else "nothing that fits was seen"


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


def _all_places(given: Any) -> tuple[RoughPlace, ...]:
    places = tuple(given) if isinstance(given, Iterable) else (given,)
    for place in places:
        if not isinstance(place, RoughPlace):
            raise ConfigError(
                "the places of a grounding must be a sequence of RoughPlace: "
                f"(RoughPlace(object_id, frame, box),); got {shorten(place)}"
            )
    return places


def _check_single(given: Sequence[Prompt] | Sequence[RoughPlace], what: str) -> None:
    seen: set[tuple[int, int]] = set()
    for one in given:
        if (one.object_id, one.frame) in seen:
            raise ConfigError(
                f"object {one.object_id} has two {what} on frame {one.frame}; merge them into one"
            )
        seen.add((one.object_id, one.frame))


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
        answer_window: The window answered with, if the action is ``answer`` and it named one.
        answer_keyframe: The frame on which the answer localized the objects, if there are any.
        stop_reason: Why there was no further turn, in one sentence; empty if nothing is known.
    """

    selection: FrameSelection
    action: Literal["look", "answer"]
    thought: Thought
    look_window: Window | None = None
    look_keyframe: int | None = None
    sampler_seconds: float = 0.0
    grounder_seconds: float = 0.0
    answer_window: Window | None = None
    answer_keyframe: int | None = None
    stop_reason: str = ""

    def __str__(self) -> str:
        lines = [f"{_bounds(self.selection.window)}, saw {_describe_shown(self.selection)}"]
        if self.selection.reason:
            lines.append(f"selection: {self.selection.reason}")
        if parts := self.thought.parts:
            lines += [f"{name}: {text}" for name, text in parts.items()]
        elif self.thought.text:
            lines.append(f"thought: {self.thought.text}")
        answered = self.action == "answer"
        window = self.answer_window if answered else self.look_window
        keyframe = self.answer_keyframe if answered else self.look_keyframe
        facts = [] if window is None else [_bounds(window)]
        facts += [] if keyframe is None else [f"keyframe {keyframe}"]
        move = "answer" if answered else "look"
        joint = (": " if answered else " at ") if facts else ""
        lines.append(f"-> {move}{joint}{', '.join(facts)}")
        if self.stop_reason:
            lines.append(f"stopped: {self.stop_reason}")
        return "\n  ".join(lines)


def _bounds(window: Window) -> str:
    if len(window) == 1:
        return f"frame {window.start}"
    return f"frames {window.start}-{window.stop - 1}"


def _describe_shown(selection: FrameSelection) -> str:
    """Return the frames of each role; the role is left out where all frames are context."""
    by_role = {role: selection.of_role(role) for role in get_args(FrameRole)}
    shown = {role: ", ".join(map(str, frames)) for role, frames in by_role.items() if frames}
    if list(shown) == ["context"]:
        return shown["context"]
    return "; ".join(f"{role} {frames}" for role, frames in shown.items())


@dataclass(frozen=True, slots=True)
class Trace:
    """The reasoning of an episode, turn by turn. ``print(trace)`` is meant to be read.

    Args:
        turns: What each turn saw, thought and did, in their order.
    """

    turns: tuple[TraceTurn, ...] = ()

    @property
    def num_tokens(self) -> int | None:
        """Tokens generated over all turns; None if no turn reports any."""
        counts = [t.thought.num_tokens for t in self.turns if t.thought.num_tokens is not None]
        return sum(counts) if counts else None

    def __str__(self) -> str:
        turns = enumerate(self.turns, start=1)
        return "\n".join(f"Turn {number}: {turn}" for number, turn in turns)


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
            if isinstance(move, Look):
                turn = TraceTurn(
                    selection,
                    "look",
                    move.thought,
                    look_window=move.window,
                    look_keyframe=move.keyframe,
                )
            else:
                was_last = 1 < index + 1 == self.max_turns
                limit = f"turn {index + 1} of {self.max_turns} was the last" if was_last else ""
                turn = TraceTurn(
                    selection,
                    "answer",
                    move.thought,
                    answer_window=move.window,
                    answer_keyframe=move.keyframe,
                    stop_reason=move.stop_reason or limit,
                )
            turns.append(replace(turn, sampler_seconds=seconds[0], grounder_seconds=seconds[1]))
        return Trace(tuple(turns))
