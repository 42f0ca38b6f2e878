"""Questions to chat models: the images that they are shown, and the answers that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from videoseg import ChatModel, Prompt
from videoseg.pipeline import timed_part
from videoseg.text import printable, shorten_text
from videoseg.types import ChatReply, ImagePart, Message, MessagePart, TextPart, VideoSource
from videoseg_wrappers.budget import Cost, Stopwatch
from videoseg_wrappers.replies import find_mapping

__all__ = [
    "RETRY_TEMPERATURE",
    "Interview",
    "OutOfTimeError",
    "UnreadReplyError",
    "choose_images",
    "image_parts",
    "spread",
]

RETRY_TEMPERATURE = 0.7
"""As in videoseg-r1: high enough for another wording, low enough for JSON."""

_MAX_RAW = 2_000


class UnreadReplyError(Exception):
    """No reply to a question could be read."""


class OutOfTimeError(Exception):
    """The budget of time is used up, so a question was not asked."""


@dataclass(slots=True)
class Interview:
    """Asks questions within a budget, and keeps what they cost and what was said.

    Args:
        name: The wrapper, under which the time counts in the timings of a run.
        watch: The budget of time.
        max_tokens: Upper bound on the tokens of each reply.
        seed: Seed of the first question.
        cost: What the questions cost.
        record: Every question with its replies, for the trace.
        longest: Seconds of the longest question so far.
    """

    name: str
    watch: Stopwatch
    max_tokens: int
    seed: int = 0
    cost: Cost = field(default_factory=Cost)
    record: list[dict[str, Any]] = field(default_factory=list)
    longest: float = 0.0

    def ask(
        self,
        chat: ChatModel,
        parts: Sequence[MessagePart],
        question: str,
        *keys: str,
        prompt: str,
        usable: Callable[[Mapping[str, Any]], bool],
        temperature: float = 0.0,
    ) -> Mapping[str, Any]:
        """Return the JSON object of a reply; if it cannot be read, the question is repeated once.

        Args:
            chat: The model.
            parts: The images with their labels.
            question: The question.
            keys: Names of which the object must have at least one.
            prompt: The name of the prompt, for the trace.
            usable: Whether an object answers the question.
            temperature: Of the first attempt; the second is sampled.

        Raises:
            OutOfTimeError: If there is no time left for it.
            UnreadReplyError: If neither reply can be read.
        """
        messages = [Message("user", (*parts, TextPart(question)))]
        why = "it is empty"
        for attempt in (temperature, RETRY_TEMPERATURE):
            if not self.watch.has_time_for(self.longest):
                raise OutOfTimeError
            reply = self._call(chat, messages, attempt, prompt)
            answer = find_mapping(reply.text, *keys)
            if answer is not None and usable(answer):
                return answer
            why = _explain(reply, self.max_tokens)
        raise UnreadReplyError(why)

    def _call(
        self, chat: ChatModel, messages: Sequence[Message], temperature: float, prompt: str
    ) -> ChatReply:
        begin = self.watch.elapsed
        seed = self.seed + self.cost.num_questions
        num_tokens = None
        reply = None
        try:
            with timed_part(self.name):
                reply = chat.chat(
                    messages, temperature=temperature, max_tokens=self.max_tokens, seed=seed
                )[0]
            num_tokens = reply.num_tokens
        finally:
            self.longest = max(self.longest, self.watch.elapsed - begin)
            self.cost.add(num_tokens)
            said = "" if reply is None else printable(reply.text, keep="\n")[:_MAX_RAW]
            self.record.append({"prompt": prompt, "reply": said})
        return reply


def _explain(reply: ChatReply, max_tokens: int) -> str:
    if reply.refusal:
        return f"the model refused: {shorten_text(printable(reply.refusal), 200)}"
    cut = reply.finish_reason == "length" or (
        reply.finish_reason is None and (reply.num_tokens or 0) >= max_tokens
    )
    if cut:
        return f"it was cut off at max_tokens={max_tokens}; raise the option max_tokens"
    said = shorten_text(" ".join(printable(reply.text).split()), 120)
    return f"it is not the JSON that was asked for: {said!r}"


def spread(first: int, stop: int, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced frames of [first, stop), both ends included."""
    if count >= stop - first:
        return list(range(first, stop))
    if count == 1:
        return [(first + stop - 1) // 2]
    return [int(index) for index in np.linspace(first, stop - 1, count).round()]


def choose_images(num_frames: int, count: int, always: Iterable[int]) -> list[int]:
    """Return frames spread over a video and those that must be among them, sorted.

    A frame that is spread gives way to one that must be shown; of more than ``count`` of these,
    some are left out evenly.
    """
    needed = sorted(set(always))
    needed = [needed[index] for index in spread(0, len(needed), max(1, count))]
    chosen = spread(0, num_frames, max(1, count))
    for frame in needed:
        others = [one for one in chosen if one not in needed]
        if frame not in chosen and others and len(chosen) >= count:
            chosen.remove(min(others, key=lambda one: abs(one - frame)))
        chosen.append(frame)
    return sorted(set(chosen))


def image_parts(
    video: VideoSource,
    frames: Sequence[int],
    *,
    max_pixels: int,
    prompts: Sequence[Prompt] = (),
    marked: int | None = None,
) -> list[MessagePart]:
    """Return frames as numbered images, each behind its number and time.

    Args:
        video: The video.
        frames: Frame indices.
        max_pixels: Upper bound on height x width of each image.
        prompts: Candidates, drawn on their own frames.
        marked: The frame whose label says that it is the marked one.
    """
    from videoseg.results import draw_prompts

    parts: list[MessagePart] = []
    images = video.read(frames)
    for number, (frame, image) in enumerate(zip(frames, images, strict=True), start=1):
        drawn = [prompt for prompt in prompts if prompt.frame == frame]
        shown = draw_prompts(image, drawn, tags=True) if drawn else image
        mark = ", the marked image" if frame == marked else ""
        parts.append(TextPart(f"Image {number} ({video.time_of(frame):.1f} s{mark}):"))
        parts.append(
            ImagePart(shown, max_pixels=max_pixels, frame=frame, time=video.time_of(frame))
        )
    return parts
