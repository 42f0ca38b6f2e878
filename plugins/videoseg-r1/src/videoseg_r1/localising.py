"""The two questions of the hierarchical sampler: which span, and which position in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from videoseg import ChatModel, ChatReply, Message, VideoSource, Window
from videoseg.types import time_label
from videoseg_r1.aggregation import Aggregate, agreement, combine_positions, combine_spans
from videoseg_r1.endings import why_unread
from videoseg_r1.prompts import PromptTemplate
from videoseg_r1.showing import (
    ask_about,
    clip_duration,
    frame_parts,
    position_label,
    spread,
)
from videoseg_r1.times import parse_percent, parse_span, parse_timestamp

__all__ = [
    "Asking",
    "PositionAnswer",
    "SpanAnswer",
    "ask_position",
    "ask_span",
    "ask_timestamp",
    "span_window",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asking:
    """How a question is asked.

    Args:
        chat: The model.
        prompt: What is asked.
        num_samples: How many answers are taken to one question.
        num_frames: How many frames of the clip are shown.
        max_pixels: How large each is shown.
        temperature: 0 where one answer is taken.
        max_tokens: Upper bound on the tokens of an answer.
        aggregate: How the answers are made into one.
    """

    chat: ChatModel
    prompt: PromptTemplate
    num_samples: int
    num_frames: int
    max_pixels: int
    temperature: float
    max_tokens: int
    aggregate: Aggregate

    def replies(self, messages: Sequence[Message], seed: int) -> Sequence[ChatReply]:
        """Ask once for all answers, so that the pictures are encoded once."""
        return self.chat.chat(
            messages,
            num_samples=self.num_samples,
            temperature=self.temperature if self.num_samples > 1 else 0.0,
            max_tokens=self.max_tokens,
            seed=seed,
        )


@dataclass(frozen=True, slots=True)
class SpanAnswer:
    """What came of asking for a span.

    Args:
        segment: The frames of the combined span; None if no answer could be used.
        confidence: How far the answers agree, in [0, 1]; None if there are too few.
        record: What a result keeps of it, JSON-serialisable.
        why_unusable: If no answer could be used and their ends tell why (cut off, refused),
            that in brackets, for a warning.
    """

    segment: Window | None
    confidence: float | None
    record: dict[str, Any] = field(default_factory=dict)
    why_unusable: str = ""


@dataclass(frozen=True, slots=True)
class PositionAnswer:
    """What came of asking for a position; as ``SpanAnswer``, with a share in [0, 1]."""

    position: float | None
    confidence: float | None
    record: dict[str, Any] = field(default_factory=dict)
    why_unusable: str = ""


def ask_span(
    asking: Asking, video: VideoSource, query: str, clip: Window, *, seed: int
) -> SpanAnswer:
    """Ask in which span of a clip the queried things can be identified.

    The model is shown times counted from the clip's first frame, as video models count them;
    what it answers is moved back to times of the whole video.
    """
    offset, duration = video.time_of(clip.start), clip_duration(video, clip)
    frames = spread(clip, asking.num_frames)
    parts = frame_parts(
        video,
        frames,
        lambda frame: time_label(video.time_of(frame) - offset),
        max_pixels=asking.max_pixels,
    )
    question = asking.prompt.fill(query=query, duration=f"{duration:.1f}")
    replies = asking.replies(ask_about(parts, question), seed)
    given = _parsed(replies, parse_span, lambda span: span[0] <= duration)
    # A span cannot end after the clip; unbounded, one stray answer would carry off the mean.
    spans = [(offset + start, offset + min(end, duration)) for start, end in given]
    record: dict[str, Any] = {
        "clip": [clip.start, clip.stop],
        "frames": frames,
        "prompt": asking.prompt.name,
        "question": question,
        "replies": [reply.text for reply in replies],
        "spans": [list(span) for span in spans],
        "num_unusable": len(replies) - len(spans),
        "num_tokens": _num_tokens(replies),
    }
    if not spans:
        return SpanAnswer(None, None, record, _why_unusable(asking, replies))
    start, end = combine_spans(spans, asking.aggregate)
    starts, ends = zip(*spans, strict=True)
    segment = span_window(video, start, end, clip)
    record |= {
        "span": [start, end],
        "spread": [float(np.std(starts)), float(np.std(ends))],
        "segment": [segment.start, segment.stop],
    }
    shares = [agreement(values, duration) for values in (starts, ends)]
    known = [share for share in shares if share is not None]
    return SpanAnswer(segment, min(known, default=None), record)


def ask_position(
    asking: Asking, video: VideoSource, query: str, clip: Window, *, seed: int
) -> PositionAnswer:
    """Ask at which share of a clip the queried things are seen best."""
    last = max(1, len(clip) - 1)
    return _ask_share(
        asking,
        video,
        query,
        clip,
        seed=seed,
        label=lambda frame: position_label((frame - clip.start) / last),
        parse=parse_percent,
    )


def ask_timestamp(
    asking: Asking, video: VideoSource, query: str, clip: Window, *, seed: int
) -> PositionAnswer:
    """Ask at which time of a clip, counted from its start, the queried things are seen best."""
    offset, duration = video.time_of(clip.start), clip_duration(video, clip)

    def share(text: str) -> float | None:
        time = parse_timestamp(text)
        # The prompt names the duration to a tenth of a second.
        if time is None or time > duration + 0.05:
            return None
        shown = int(np.searchsorted(video.timestamps, offset + time + 1e-6, side="right")) - 1
        frame = clip.nearest(shown)
        # The middle of the frame, so that rounding down finds it again.
        return (frame - clip.start + 0.5) / len(clip)

    return _ask_share(
        asking,
        video,
        query,
        clip,
        seed=seed,
        label=lambda frame: time_label(video.time_of(frame) - offset),
        parse=share,
    )


def _ask_share(
    asking: Asking,
    video: VideoSource,
    query: str,
    clip: Window,
    *,
    seed: int,
    label: Callable[[int], str],
    parse: Callable[[str], float | None],
) -> PositionAnswer:
    frames = spread(clip, asking.num_frames)
    parts = frame_parts(video, frames, label, max_pixels=asking.max_pixels)
    question = asking.prompt.fill(query=query, duration=f"{clip_duration(video, clip):.1f}")
    replies = asking.replies(ask_about(parts, question), seed)
    positions = _parsed(replies, parse, lambda _: True)
    record: dict[str, Any] = {
        "clip": [clip.start, clip.stop],
        "frames": frames,
        "prompt": asking.prompt.name,
        "question": question,
        "replies": [reply.text for reply in replies],
        "positions": positions,
        "num_unusable": len(replies) - len(positions),
        "num_tokens": _num_tokens(replies),
    }
    if not positions:
        return PositionAnswer(None, None, record, _why_unusable(asking, replies))
    position = combine_positions(positions, asking.aggregate)
    record |= {"position": position, "spread": float(np.std(positions))}
    return PositionAnswer(position, agreement(positions, 1.0), record)


def span_window(video: VideoSource, start: float, end: float, clip: Window) -> Window:
    """Return the frames of a clip from one time to another, both included; at least two.

    For a constant frame rate these are floor(start x fps) to ceil(end x fps).
    """
    times = video.timestamps
    first = int(np.searchsorted(times, start + 1e-6, side="right")) - 1
    last = int(np.searchsorted(times, end - 1e-6, side="left"))
    first = min(max(first, clip.start), clip.stop - 1)
    last = min(max(last, first), clip.stop - 1)
    if first == last and len(clip) > 1:
        first, last = (first, last + 1) if last + 1 < clip.stop else (first - 1, last)
    return Window(first, last + 1)


def _parsed(
    replies: Sequence[ChatReply], parse: Callable[[str], T | None], usable: Callable[[T], bool]
) -> list[T]:
    values = [parse(reply.text) for reply in replies]
    return [value for value in values if value is not None and usable(value)]


def _why_unusable(asking: Asking, replies: Sequence[ChatReply]) -> str:
    reasons = (why_unread(reply, asking.max_tokens, stage="sampler") for reply in replies)
    reason = next((reason for reason in reasons if reason is not None), None)
    return "" if reason is None else f" ({reason})"


def _num_tokens(replies: Sequence[ChatReply]) -> int | None:
    counts = [reply.num_tokens for reply in replies if reply.num_tokens is not None]
    return sum(counts) if counts else None
