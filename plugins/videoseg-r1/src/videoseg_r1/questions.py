"""Questions to the chat model about times: the frames it is shown, and its combined answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from videoseg import ChatModel, ConfigError, Window
from videoseg.text import printable, shorten_text
from videoseg.types import (
    ChatReply,
    ImagePart,
    Message,
    MessagePart,
    TextPart,
    VideoSource,
    time_label,
)
from videoseg_r1.parsing.times import parse_percent, parse_span, parse_timestamp
from videoseg_r1.prompts import PromptTemplate

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Asking",
    "PositionAnswer",
    "SpanAnswer",
    "agreement",
    "ask_about",
    "ask_position",
    "ask_span",
    "ask_timestamp",
    "clip_duration",
    "combine_positions",
    "combine_spans",
    "explain_unread",
    "frame_parts",
    "is_cut_off",
    "position_label",
    "span_window",
    "spread",
    "warn_of_ending",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asking:
    """The settings of a question.

    Args:
        chat: The model.
        prompt: The prompt.
        num_samples: How many answers are sampled for one question.
        num_frames: How many frames of the clip are shown.
        max_pixels: Upper bound on height x width of each frame.
        temperature: Sampling temperature; a single answer is always sampled at 0.
        max_tokens: Upper bound on the tokens of an answer.
        aggregate: How the answers are combined.
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
        """Ask for all answers in one call, so that the images are encoded once."""
        return self.chat.chat(
            messages,
            num_samples=self.num_samples,
            temperature=self.temperature if self.num_samples > 1 else 0.0,
            max_tokens=self.max_tokens,
            seed=seed,
        )


@dataclass(frozen=True, slots=True)
class SpanAnswer:
    """The combined answer to a question about a span.

    Args:
        segment: The frames of the combined span; None if no answer was usable.
        confidence: How far the answers agree, in [0, 1]; None if there are too few.
        record: The question and its answers for the trace, JSON-serializable.
        why_unusable: If no answer was usable because they were cut off or refused, that reason
            in brackets, for a warning.
    """

    segment: Window | None
    confidence: float | None
    record: dict[str, Any] = field(default_factory=dict)
    why_unusable: str = ""


@dataclass(frozen=True, slots=True)
class PositionAnswer:
    """The combined answer to a question about a position, a fraction of the clip in [0, 1]."""

    position: float | None
    confidence: float | None
    record: dict[str, Any] = field(default_factory=dict)
    why_unusable: str = ""


def ask_span(
    asking: Asking, video: VideoSource, query: str, clip: Window, *, seed: int
) -> SpanAnswer:
    """Ask in which span of a clip the queried objects can be identified.

    The model sees times counted from the clip's first frame, as video models are trained to;
    its answers are converted back to times of the whole video.
    """
    offset, duration = video.time_of(clip.start), clip_duration(video, clip)
    frames = spread(clip, asking.num_frames)
    parts = frame_parts(
        video,
        frames,
        lambda frame: time_label(video.time_of(frame) - offset),
        max_pixels=asking.max_pixels,
    )
    values = {"query": query, "duration": f"{duration:.1f}"}
    question = asking.prompt.fill(**values)
    opening, behind = asking.prompt.fill_around_frames(**values)
    replies = asking.replies(ask_about(parts, behind, opening=opening), seed)
    given = _parse_replies(replies, parse_span, lambda span: span[0] <= duration)
    # Unbounded, one outlier that ends after the clip would dominate the mean.
    spans = [(offset + start, offset + min(end, duration)) for start, end in given]
    record = _describe_question(
        asking,
        clip,
        frames,
        question,
        replies,
        kind="spans",
        answers=[list(span) for span in spans],
    )
    if not spans:
        return SpanAnswer(None, None, record, _explain_unusable(asking, replies))
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
    """Ask at which fraction of a clip the queried objects are seen best."""
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
    """Ask at which time of a clip, counted from its start, the queried objects are seen best."""
    offset, duration = video.time_of(clip.start), clip_duration(video, clip)

    def share(text: str) -> float | None:
        time = parse_timestamp(text)
        # The prompt gives the duration to a tenth of a second.
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
    values = {"query": query, "duration": f"{clip_duration(video, clip):.1f}"}
    question = asking.prompt.fill(**values)
    opening, behind = asking.prompt.fill_around_frames(**values)
    replies = asking.replies(ask_about(parts, behind, opening=opening), seed)
    positions = _parse_replies(replies, parse, lambda _: True)
    record = _describe_question(
        asking, clip, frames, question, replies, kind="positions", answers=positions
    )
    if not positions:
        return PositionAnswer(None, None, record, _explain_unusable(asking, replies))
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


def _parse_replies(
    replies: Sequence[ChatReply], parse: Callable[[str], T | None], usable: Callable[[T], bool]
) -> list[T]:
    values = [parse(reply.text) for reply in replies]
    return [value for value in values if value is not None and usable(value)]


def _explain_unusable(asking: Asking, replies: Sequence[ChatReply]) -> str:
    reasons = (explain_unread(reply, asking.max_tokens, stage="sampler") for reply in replies)
    reason = next((reason for reason in reasons if reason is not None), None)
    return "" if reason is None else f" ({reason})"


def _describe_question(
    asking: Asking,
    clip: Window,
    frames: Sequence[int],
    question: str,
    replies: Sequence[ChatReply],
    *,
    kind: str,
    answers: Sequence[Any],
) -> dict[str, Any]:
    """Return what was asked and answered, for the details of a selection."""
    return {
        "clip": [clip.start, clip.stop],
        "frames": frames,
        "prompt": asking.prompt.name,
        "question": question,
        "replies": [reply.text for reply in replies],
        kind: answers,
        "num_unusable": len(replies) - len(answers),
        "num_tokens": _count_tokens(replies),
    }


def _count_tokens(replies: Sequence[ChatReply]) -> int | None:
    counts = [reply.num_tokens for reply in replies if reply.num_tokens is not None]
    return sum(counts) if counts else None


Aggregate: TypeAlias = Literal["mean", "median", "cluster"]

AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
"""``mean`` is that of the paper. ``median`` is robust against outliers. ``cluster`` averages the
largest group of similar answers, for events that happen twice, whose mean lies between them."""

_SAME_SPAN = 0.5
"""Temporal IoU from which two spans are similar."""

# The small addition makes up for rounding: 0.4 - 0.3 is above 0.1.
_SAME_POSITION = 0.1 + 1e-9
"""Distance, as a fraction of the clip, up to which two positions are similar."""

Array: TypeAlias = npt.NDArray[np.float64]


def combine_spans(
    spans: Sequence[tuple[float, float]], how: Aggregate = "mean"
) -> tuple[float, float]:
    """Return one (start, end); starts and ends are combined separately.

    Raises:
        ConfigError: If there are no spans, or ``how`` is unknown.

    Example:
        >>> combine_spans([(2, 6), (4, 8)])
        (3.0, 7.0)
    """
    values = np.array(spans, dtype=np.float64).reshape(-1, 2)
    similar = np.array([[_span_iou(a, b) for b in values] for a in values]) >= _SAME_SPAN
    start, end = _combine(values, similar, how)
    return float(start), float(end)


def combine_positions(positions: Sequence[float], how: Aggregate = "mean") -> float:
    """Return one position.

    Raises:
        ConfigError: If there are no positions, or ``how`` is unknown.
    """
    values = np.array(positions, dtype=np.float64).reshape(-1, 1)
    similar = np.abs(values - values.T) <= _SAME_POSITION
    return float(_combine(values, similar, how)[0])


def agreement(values: Sequence[float], extent: float) -> float | None:
    """Return how far answers agree, in [0, 1]; None if there are fewer than two.

    1 if all are the same, 0 if half lie at each end of the extent, which is the largest
    possible standard deviation.
    """
    if len(values) < 2 or extent <= 0:
        return None
    return float(np.clip(1 - 2 * np.std(values) / extent, 0, 1))


def _combine(values: Array, similar: npt.NDArray[np.bool_], how: str) -> Array:
    if how not in AGGREGATES:
        raise ConfigError(f"aggregate must be one of {', '.join(AGGREGATES)}, got {how!r}")
    if len(values) == 0:
        raise ConfigError("there are no answers to combine")
    combined: Array
    if how == "median":
        combined = np.median(values, axis=0)
    elif how == "cluster":
        # Of several equally large groups argmax returns the first, so the result is stable.
        combined = values[similar[int(similar.sum(axis=1).argmax())]].mean(axis=0)
    else:
        combined = values.mean(axis=0)
    return combined


def _span_iou(a: Array, b: Array) -> float:
    union = max(a[1], b[1]) - min(a[0], b[0])
    return 1.0 if union <= 0 else float(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / union)


def spread(window: Window, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced frames of a window, both ends included."""
    if count >= len(window):
        return list(range(window.start, window.stop))
    return [int(i) for i in np.linspace(window.start, window.stop - 1, count).round()]


def clip_duration(video: VideoSource, clip: Window) -> float:
    """Return the seconds from the start of a clip's first frame to the end of its last one."""
    return video.time_of(clip.stop - 1) - video.time_of(clip.start) + 1 / video.fps


def position_label(share: float) -> str:
    """Return the text that stands before a frame and gives its position in the clip."""
    return f"<{100 * share:.0f}%>"


def frame_parts(
    video: VideoSource,
    frames: Sequence[int],
    label: Callable[[int], str],
    *,
    max_pixels: int | None,
) -> list[MessagePart]:
    """Return the label and the image of each frame, in order. Each frame is read once."""
    parts: list[MessagePart] = []
    for frame, image in zip(frames, video.read(frames), strict=True):
        shown = ImagePart(image, max_pixels=max_pixels, frame=frame, time=video.time_of(frame))
        parts += [TextPart(label(frame)), shown]
    return parts


def ask_about(parts: Iterable[MessagePart], question: str, *, opening: str = "") -> list[Message]:
    """Return a conversation of one message: the opening, if any, the parts, then the question."""
    before = (TextPart(f"{opening}\n"),) if opening else ()
    return [Message("user", (*before, *parts, TextPart(question)))]


_LONGEST_REFUSAL = 300


def is_cut_off(reply: ChatReply, max_tokens: int) -> bool:
    """Return whether an answer ended because it reached ``max_tokens``."""
    if reply.finish_reason is not None:
        return reply.finish_reason == "length"
    return reply.num_tokens is not None and reply.num_tokens >= max_tokens


def explain_unread(reply: ChatReply, max_tokens: int, *, stage: str = "grounder") -> str | None:
    """Return why an answer could not be read, and what to do; None if its end gives no reason.

    Args:
        reply: The answer.
        max_tokens: The bound on its tokens.
        stage: The stage whose option that is.

    Returns:
        A sentence that repeats the refusal, or names ``max_tokens``.
    """
    if reply.refusal:
        said = shorten_text(" ".join(printable(reply.refusal).split()), _LONGEST_REFUSAL)
        advice = "rephrase the query, or use another model"
        return f"the model refused to answer: {said!r}; {advice}"
    if reply.finish_reason == "content_filter":
        return (
            "the server withheld the model's answer (content_filter); rephrase the query, "
            "show other frames, or use another model or server"
        )
    if is_cut_off(reply, max_tokens):
        return (
            f"the model's answer was cut off at max_tokens={max_tokens}, before it answered the "
            f"question; raise the {stage}'s max_tokens, such as max_tokens={4 * max_tokens}, "
            "or have the model think less" + (" (thinking_budget)" if stage == "grounder" else "")
        )
    return None


def warn_of_ending(reply: ChatReply, max_tokens: int) -> list[str]:
    """Return a warning if an answer that could be read ended too early."""
    if reply.finish_reason == "content_filter":
        return ["the server withheld the rest of the answer (content_filter)"]
    if is_cut_off(reply, max_tokens):
        return [
            f"the answer was cut off at max_tokens={max_tokens}; objects may be missing: raise "
            "the grounder's max_tokens if so"
        ]
    return []
