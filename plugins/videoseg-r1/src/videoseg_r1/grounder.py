"""The grounder of VideoSeg-R1: reasoning, then boxes, points and negative points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from videoseg import Box, ChatModel, ConfigError, Episode, Grounding, Point, Prompt, Thought
from videoseg.coordinates import CoordinateSpace
from videoseg.errors import GroundingParseError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import ChatReply, MessagePart, TextPart, time_label
from videoseg_r1.budget import Difficulty, rate_difficulty, token_budget
from videoseg_r1.coordinates import Placement, find_placement, has_y_first, warn_of_numbers
from videoseg_r1.parsing.answer import Answer, ObjectAnswer, parse_answer
from videoseg_r1.prompts import load_prompt
from videoseg_r1.questions import ask_about, explain_unread, frame_parts, warn_of_ending

__all__ = ["OnParseError", "ReasoningGrounder", "ThinkingBudget"]

OnParseError: TypeAlias = Literal["raise", "empty"]
ThinkingBudget: TypeAlias = Literal["none", "difficulty"] | PositiveInt

_RETRY_TEMPERATURE = 0.7
_DEFAULT_CONTEXT_PIXELS = 128 * 28 * 28
_DEFAULT_TARGET_PIXELS = 1000 * 28 * 28


@dataclass(frozen=True, slots=True)
class _Budget:
    """The thinking budget of one question."""

    tokens: int | None = None
    difficulty: Difficulty | None = None

    def to_text(self) -> str:
        if self.tokens is None:
            return ""
        return (
            f" Keep the thinking under {self.tokens} tokens, about {self.tokens * 3 // 4} words."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        details: dict[str, Any] = {}
        if self.tokens is not None:
            details["thinking_budget"] = self.tokens
        if self.difficulty is not None:
            details["difficulty"] = self.difficulty.to_dict()
        return details


class ReasoningGrounder:
    """Shows context frames and the target frame, and asks for the objects in the target frame.

    It takes one turn and never asks for other frames (arXiv 2511.16077; the answer has the form
    of VisionReasoner's, with a negative point). Context frames are small, each after its time;
    the target frame comes last and is the only one that coordinates refer to. If the sampler
    chose no keyframe, the middle one of the frames is the target.

    If an answer cannot be read, or every object lies outside the frame, the question is repeated
    once, with sampling. The same holds for an answer that says nothing is there but was cut off
    at ``max_tokens``. Numbers that do not fit the coordinate space are used unchanged, with a
    warning that names a space that would fit.

    Args:
        chat: A vision-language model.
        coordinates: The space of its coordinates: ``auto`` (as the chat model declares),
            ``pixels_of_resized``, ``per_mille``, ``unit``, or ``square(n)``; checkpoints trained
            like VisionReasoner need ``square(840)`` and images stretched to that size. With the
            suffix ``_yx``, y comes before x: ``per_mille_yx`` for Gemini. A key of the answer
            that names another order or unit (``bbox_xywh``, ``ymin``) takes precedence.
        prompt: Version of the prompt, or the path of a text file that contains ``{query}``. What
            stands before a ``{frames}`` in it is said before the frames are shown.
        max_tokens: Upper bound on the tokens of an answer.
        thinking_budget: ``none``; a number of tokens; or ``difficulty``, which first asks the
            model how hard the task is. The budget is part of the prompt and is recorded with
            the tokens used; nothing is cut off. A custom prompt needs a ``{budget}`` for it.
        use_box: Whether prompts include the box (Table 6 of the paper).
        use_point: Whether they include the point on the object, or the center of the box if
            the model gave none. An object without a box always keeps its point.
        use_negative: Whether they include the negative point, if the model gave one.
        on_parse_error: ``raise``, or ``empty`` to find nothing, with a warning and the status
            ``guessed``. An answer that says that nothing is there is ``absent``.

    Raises:
        ConfigError: If an option is out of range.
    """

    @checked_options("grounder 'r1'")
    def __init__(
        self,
        *,
        chat: ChatModel,
        coordinates: str = "auto",
        prompt: str = "v1",
        max_tokens: PositiveInt = 1024,
        thinking_budget: ThinkingBudget = "none",
        use_box: bool = True,
        use_point: bool = True,
        use_negative: bool = True,
        on_parse_error: OnParseError = "raise",
    ) -> None:
        problems = []
        if not (use_box or use_point):
            problems.append("use_box and use_point cannot both be off")
        try:
            CoordinateSpace("unit" if coordinates == "auto" else coordinates)
        except ConfigError as error:
            problems.append(f"coordinates must be 'auto' or the name of a space: {error}")
        if problems:
            raise ConfigError([f"r1: {problem}" for problem in problems])
        self._chat = chat
        self._coordinates = coordinates
        self._prompt = load_prompt("ground", prompt)
        if thinking_budget != "none" and "{budget}" not in self._prompt.text:
            raise ConfigError(
                f"r1: the prompt {self._prompt.name!r} has no place for the thinking budget: "
                "write {budget}, or set thinking_budget to 'none'"
            )
        self._difficulty_prompt = load_prompt("difficulty")
        self._max_tokens = max_tokens
        self._thinking_budget = thinking_budget
        self._use_box = use_box
        self._use_point = use_point
        self._use_negative = use_negative
        self._on_parse_error = on_parse_error

    def step(self, episode: Episode) -> Grounding:
        """Answer; see ``Grounder.step``.

        Raises:
            GroundingParseError: If the answer cannot be read twice and ``on_parse_error`` is
                ``raise``. The message repeats a refusal, and names ``max_tokens`` if the answer
                was cut off there.
        """
        target = _choose_target(episode)
        parts = _make_frame_parts(episode, target)
        budget = self._budget(parts, episode)
        values = {"query": episode.query, "budget": budget.to_text()}
        question = self._prompt.fill(**values)
        opening, behind = self._prompt.fill_around_frames(**values)
        attempts: list[dict[str, Any]] = []
        details = {"prompt": self._prompt.name, "question": question, "attempts": attempts}
        details |= budget.to_dict()
        for temperature in (0.0, _RETRY_TEMPERATURE):
            reply = self._chat.chat(
                ask_about(parts, behind, opening=opening),
                temperature=temperature,
                max_tokens=self._max_tokens,
                seed=episode.seed + len(attempts),
            )[0]
            attempts.append(_describe_attempt(reply))
            try:
                answer = self._read_answer(reply)
                return self._make_grounding(episode, target, reply, answer, details)
            except GroundingParseError as error:
                failure = error
        if self._on_parse_error == "raise":
            raise failure
        thought = Thought(reply.text, details=details)
        warning = f"{failure}; nothing is segmented, which is a guess"
        warnings = (*_list_sampler_warnings(episode), warning)
        # The model has not said that nothing is there.
        return Grounding(None, (), thought, warnings=warnings, status="guessed")

    def _read_answer(self, reply: ChatReply) -> Answer:
        """Parse a reply.

        Raises:
            GroundingParseError: If it names nothing, or was cut off before it was complete.
        """
        reason = explain_unread(reply, self._max_tokens)
        try:
            answer = parse_answer(reply.text, y_first=has_y_first(reply, self._coordinates))
        except GroundingParseError as error:
            if reason is None:
                raise
            raise GroundingParseError(reason, raw_text=reply.text) from error
        sure = answer.objects or "</answer>" in reply.text
        if reason is not None and not sure:
            raise GroundingParseError(reason, raw_text=reply.text)
        return answer

    def _budget(self, parts: Sequence[MessagePart], episode: Episode) -> _Budget:
        if self._thinking_budget == "none":
            return _Budget()
        if isinstance(self._thinking_budget, int):
            return _Budget(self._thinking_budget)
        difficulty = rate_difficulty(
            self._chat, self._difficulty_prompt, parts, episode.query, seed=episode.seed
        )
        return _Budget(token_budget(difficulty), difficulty)

    def _make_grounding(
        self,
        episode: Episode,
        target: int,
        reply: ChatReply,
        answer: Answer,
        details: Mapping[str, Any],
    ) -> Grounding:
        # The target frame is the last image.
        placement = find_placement(
            reply,
            self._coordinates,
            source=episode.video.size,
            image=-1,
            told=_find_named_space(answer),
        )
        prompts: list[Prompt] = []
        warnings = [*_list_sampler_warnings(episode), *answer.warnings]
        for found in answer.objects:
            placed = placement.of(found.space)
            prompt = self._make_prompt(found, len(prompts) + 1, target, placed)
            if prompt is None:
                warnings.append("an object of the answer lies outside the frame and is ignored")
            else:
                prompts.append(prompt)
        doubts = warn_of_numbers(answer.objects, placement)
        if answer.objects and not prompts:
            raise GroundingParseError(
                f"every object of the answer lies outside the frame of "
                f"{episode.video.size[1]}x{episode.video.size[0]}; the model's coordinates are "
                f"perhaps not {placement.space}: try another 'coordinates'"
                + "".join(f"; {doubt}" for doubt in doubts),
                raw_text=reply.text,
            )
        warnings += [*doubts, *warn_of_ending(reply, self._max_tokens)]
        used = {"num_thinking_tokens": _count_thinking_tokens(reply, answer.thought)}
        thought = Thought(
            answer.thought,
            num_tokens=reply.num_tokens,
            details={**details, **placement.to_dict(), **used},
        )
        return Grounding(
            target if prompts else None,
            tuple(prompts),
            thought,
            confidence=episode.selection.confidence,
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _make_prompt(
        self, found: ObjectAnswer, object_id: int, frame: int, placement: Placement
    ) -> Prompt | None:
        box = placement.box(found.box) if found.box is not None else None
        points = [p for p in map(placement.point, found.points) if p is not None]
        if box is not None and not points:
            points = [box.center]
        negatives = [p for p in map(placement.point, found.negative_points) if p is not None]
        kept_box: Box | None = box if self._use_box else None
        kept: list[Point] = points if self._use_point or kept_box is None else []
        if kept_box is None and not kept:
            return None
        return Prompt(
            object_id,
            frame,
            box=kept_box,
            points=tuple(kept),
            negative_points=tuple(negatives) if self._use_negative else (),
            label=found.label,
        )


def _describe_attempt(reply: ChatReply) -> dict[str, Any]:
    """Return the facts of a reply that a trace keeps."""
    attempt: dict[str, Any] = {"raw": reply.text, "num_tokens": reply.num_tokens}
    if reply.finish_reason is not None:
        attempt["finish_reason"] = reply.finish_reason
    if reply.refusal:
        attempt["refusal"] = reply.refusal
    return attempt


def _find_named_space(answer: Answer) -> str | None:
    """Return the coordinate space that an answer names for all its objects, if it does."""
    spaces = {found.space for found in answer.objects}
    return next(iter(spaces - {"pixels"}), None) if len(spaces) == 1 else None


def _choose_target(episode: Episode) -> int:
    selection = episode.selection
    if selection.keyframe is not None:
        return selection.keyframe
    return selection.indices[len(selection.indices) // 2]


def _make_frame_parts(episode: Episode, target: int) -> list[MessagePart]:
    """Return the context frames by time, each at its own size, then the target frame."""
    video = episode.video
    pixels: dict[int, int] = {}
    target_pixels = _DEFAULT_TARGET_PIXELS
    for group in episode.selection.groups:
        for frame in group.indices:
            size = group.max_pixels or _DEFAULT_CONTEXT_PIXELS
            pixels[frame] = max(pixels.get(frame, 0), size)
        if group.role == "keyframe" and group.max_pixels is not None:
            target_pixels = group.max_pixels
    parts: list[MessagePart] = []
    for frame in sorted(set(pixels) - {target}):
        parts += frame_parts(
            video, [frame], lambda f: time_label(video.time_of(f)), max_pixels=pixels[frame]
        )
    parts.append(TextPart("TARGET FRAME"))
    parts += frame_parts(
        video, [target], lambda f: time_label(video.time_of(f)), max_pixels=target_pixels
    )
    return parts


def _list_sampler_warnings(episode: Episode) -> tuple[str, ...]:
    given = episode.selection.details.get("warnings", ())
    return tuple(str(warning) for warning in given)


def _count_thinking_tokens(reply: ChatReply, thought: str) -> int | None:
    """Return the tokens of the reasoning, estimated from its part of the characters."""
    if reply.num_tokens is None or not reply.text:
        return None
    return round(reply.num_tokens * len(thought) / len(reply.text))
