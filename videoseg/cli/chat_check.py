"""Shows a chat model drawn squares and tells in which space its coordinates are."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from videoseg.cli.findings import Finding
from videoseg.stages import Closable
from videoseg.text import printable, shorten_text

if TYPE_CHECKING:
    from videoseg.stages import ChatModel
    from videoseg.types import ChatReply, Frame, Message, Size

__all__ = ["chat_findings", "drawn_squares", "fits", "read_box"]

Numbers = tuple[float, float, float, float]

_SIZE: tuple[int, int] = (448, 1120)
"""(height, width): so unlike a square, a thousand or 840 that no two spaces look alike."""

_SQUARES: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int, int]]] = {
    "red": ((220, 30, 30), (90, 60, 230, 200)),
    "green": ((30, 160, 60), (780, 40, 900, 160)),
    "blue": ((40, 70, 220), (420, 250, 590, 420)),
    "yellow": ((240, 210, 40), (940, 280, 1080, 420)),
}
_GREY = (128, 128, 128)
_FITS_FROM = 0.5
_LONGEST_ANSWER = 512

_NUMBER = r"\s*(-?\d{1,7}(?:\.\d{1,7})?)\s*"
_FOUR = re.compile(r"[\[(]" + ",".join([_NUMBER] * 4) + r"[\])]")


@dataclass(frozen=True, slots=True)
class Located:
    """Where a model says that a square is.

    Args:
        box: The square, x1, y1, x2, y2 in pixels of the drawing.
        numbers: What the model wrote.
        seen: The (height, width) at which it saw the drawing, if known.
    """

    box: Numbers
    numbers: Numbers
    seen: Size | None


def chat_findings(name: str, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask a chat model a few questions and yield what comes of it.

    Args:
        name: The component.
        options: Its options.

    Raises:
        VideosegError: If it cannot be built or does not answer.
    """
    from videoseg.plugins import default_registry

    chat: ChatModel = default_registry().build("chat", name, options)
    subject = f"chat {name}"
    try:
        yield _greeting(subject, chat)
        replies = {color: _ask_for(chat, color) for color in _SQUARES}
    finally:
        if isinstance(chat, Closable):
            chat.close()
    located = [
        Located(box, numbers, _seen(replies[color]))
        for color, (_, box) in _SQUARES.items()
        if (numbers := read_box(replies[color].text)) is not None
    ]
    yield _sizes(subject, list(replies.values()))
    yield _coordinates(subject, located, list(replies.values()))


def drawn_squares() -> Frame:
    """Return the drawing: four colored squares on grey, shape (448, 1120, 3)."""
    import numpy as np

    image = np.full((*_SIZE, 3), _GREY, np.uint8)
    for color, (x1, y1, x2, y2) in _SQUARES.values():
        image[y1:y2, x1:x2] = color
    return image


def read_box(text: str) -> Numbers | None:
    """Return the first four numbers in brackets; None if there are none.

    Example:
        >>> read_box('```json [{"bbox_2d": [10, 20, 30.5, 40]}]```')
        (10.0, 20.0, 30.5, 40.0)
    """
    match = _FOUR.search(text)
    if match is None:
        return None
    x1, y1, x2, y2 = (float(number) for number in match.groups())
    return (x1, y1, x2, y2)


def fits(located: Sequence[Located], declared: str | None = None) -> dict[str, float]:
    """Return for each coordinate space how well a model's answers fit it.

    Args:
        located: What the model said of the squares.
        declared: The space the model is said to use, so that ``square(n)`` is among them, and
            with y before x if it is.

    Returns:
        Mean intersection over union of the boxes, in [0, 1], best first.
    """
    spaces = {"per_mille": 1000.0, "unit": 1.0, "square(840)": 840.0}
    scale = (declared or "").removesuffix("_yx")
    if match := re.fullmatch(r"square\((\d+)\)", scale):
        spaces[scale] = float(match[1])
    scores = {
        name: _mean(_iou(one, (extent, extent)) for one in located)
        for name, extent in spaces.items()
    }
    scores["pixels_of_resized"] = _mean(_iou(one, _corner(one.seen)) for one in located)
    turned = [replace(one, numbers=_turned(one.numbers)) for one in located]
    scores["per_mille_yx"] = _mean(_iou(one, (1000.0, 1000.0)) for one in turned)
    if declared is not None and declared not in scores:
        corners = [
            (spaces[scale],) * 2 if scale in spaces else _corner(one.seen) for one in turned
        ]
        scores[declared] = _mean(map(_iou, turned, corners))
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _greeting(subject: str, chat: ChatModel) -> Finding:
    begin = time.perf_counter()
    [reply] = chat.chat(_say("Reply with the single word: ready"), max_tokens=16)
    seconds = time.perf_counter() - begin
    cut = ", cut off there," if reply.finish_reason == "length" else ""
    return Finding(
        subject,
        "ok",
        f"answered {_shown(reply.text)}{cut} after {seconds:.1f} s, loading included",
    )


def _ask_for(chat: ChatModel, color: str) -> ChatReply:
    from videoseg.types import ImagePart

    question = (
        f"There is one {color} square in the image. Give its bounding box. "
        "Reply only with JSON: [x1, y1, x2, y2]"
    )
    [reply] = chat.chat(_say(question, ImagePart(drawn_squares())), max_tokens=_LONGEST_ANSWER)
    return reply


def _say(text: str, *images: Any) -> list[Message]:
    from videoseg.types import Message, TextPart

    return [Message("user", (*images, TextPart(text)))]


def _sizes(subject: str, replies: Sequence[ChatReply]) -> Finding:
    height, width = _SIZE
    seen = dict.fromkeys(_seen(reply) for reply in replies)
    known = [f"{size[0]}x{size[1]}" for size in seen if size is not None]
    if not known:
        return Finding(subject, "note", "it does not say at which size it sees an image")
    return Finding(
        subject, "ok", f"sees an image of {height}x{width} at {', '.join(known)} (height x width)"
    )


def _coordinates(
    subject: str, located: Sequence[Located], replies: Sequence[ChatReply]
) -> Finding:
    declared = replies[0].coordinate_space
    if not located:
        return Finding(
            subject,
            "note",
            f"gave no box for any of {len(replies)} squares, but {_shown(replies[0].text)}; "
            f"{_why_no_box(replies[0])}",
        )
    scores = fits(located, declared)
    best, score = next(iter(scores.items()))
    shown = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    facts = f"boxes of {len(located)} of {len(replies)} squares; they fit {shown} (mean IoU)"
    if score < _FITS_FROM:
        return Finding(
            subject,
            "note",
            f"{facts}; that is no space it was asked about: do not trust its boxes",
        )
    if declared is None:
        return Finding(subject, "note", f"{facts}; say so with -O chat.coordinate_space='{best}'")
    # Spaces that fit equally well give equally good boxes.
    if scores[declared] >= max(_FITS_FROM, score - 0.05):
        return Finding(subject, "ok", f"writes coordinates in {declared}, as expected: {facts}")
    return Finding(
        subject,
        "broken",
        f"is said to write coordinates in {declared}, but {facts}; set "
        f"-O chat.coordinate_space='{best}'",
    )


def _why_no_box(reply: ChatReply) -> str:
    if reply.refusal:
        return f"it refuses: {_shown(reply.refusal)}"
    if reply.finish_reason == "content_filter":
        return "the rest was withheld by its content filter"
    if reply.finish_reason == "length":
        return (
            f"it was cut off at max_tokens={_LONGEST_ANSWER}, as models are that think at length "
            "before they answer: let the server turn thinking off"
        )
    return "it may not have been trained to give coordinates"


def _shown(text: str) -> str:
    return repr(shorten_text(" ".join(printable(text).split()), 60))


def _seen(reply: ChatReply) -> Size | None:
    return reply.image_sizes[0] if reply.image_sizes else None


def _corner(seen: Size | None) -> tuple[float, float]:
    height, width = seen or _SIZE
    return float(width), float(height)


def _iou(one: Located, corner: tuple[float, float]) -> float:
    from videoseg.types import Box

    height, width = _SIZE
    scale = (width / corner[0], height / corner[1]) * 2
    x1, y1, x2, y2 = (number * factor for number, factor in zip(one.numbers, scale, strict=True))
    if not (x1 < x2 and y1 < y2):
        return 0.0
    return Box(*one.box).iou(Box(x1, y1, x2, y2))


def _turned(numbers: Numbers) -> Numbers:
    """Return what numbers mean that have y before x."""
    y1, x1, y2, x2 = numbers
    return (x1, y1, x2, y2)


def _mean(values: Iterator[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
