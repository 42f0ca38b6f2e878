"""``videoseg chat check``: ask a chat model where drawn squares are, and in which coordinates."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli import (
    Finding,
    VideosegCommand,
    VideosegGroup,
    json_option,
    open_console,
    parse_options,
    print_finding,
    write_json,
)
from videoseg.stages import Closable
from videoseg.text import printable, shorten_text

if TYPE_CHECKING:
    from videoseg.stages import ChatModel
    from videoseg.types import ChatReply, Frame, Message, Size

__all__ = ["chat", "chat_findings", "drawn_squares", "read_box", "score_spaces"]

Numbers = tuple[float, float, float, float]

_SIZE: tuple[int, int] = (448, 1120)
"""(height, width): so unlike a square, a thousand or 840 that no two spaces look alike."""

_SQUARES: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int, int]]] = {
    "red": ((220, 30, 30), (90, 60, 230, 200)),
    "green": ((30, 160, 60), (780, 40, 900, 160)),
    "blue": ((40, 70, 220), (420, 250, 590, 420)),
    "yellow": ((240, 210, 40), (940, 280, 1080, 420)),
}
"""For each name the RGB color and the box in pixels of the drawing."""

_SPACES = ("per_mille", "unit", "square(840)", "pixels_of_resized", "per_mille_yx")
"""The spaces that published models use."""

_GRAY = (128, 128, 128)
_FITS_FROM = 0.5
_SAME_FIT = 0.05
_LONGEST_ANSWER = 512

_NUMBER = r"\s*(-?\d{1,7}(?:\.\d{1,7})?)\s*"
_FOUR = re.compile(r"[\[(]" + ",".join([_NUMBER] * 4) + r"[\])]")


@dataclass(frozen=True, slots=True)
class Located:
    """Where a model says a square is.

    Args:
        box: The true box of the square, x1, y1, x2, y2 in pixels of the drawing.
        numbers: The four numbers the model wrote.
        seen: The (height, width) at which the model saw the drawing, if known.
    """

    box: Numbers
    numbers: Numbers
    seen: Size | None


@click.group("chat", cls=VideosegGroup)
def chat() -> None:
    """Check a chat model."""


@chat.command(
    "check",
    cls=VideosegCommand,
    examples="""
    videoseg chat check transformers -O chat.model=Qwen/Qwen2.5-VL-7B-Instruct
    videoseg chat check openai -O chat.model=my-model
    """,
)
@click.argument("name")
@click.option(
    "-O",
    "options",
    multiple=True,
    metavar="chat.OPTION=VALUE",
    help="Set an option of the chat model. Can be repeated.",
)
@json_option
def check(*, name: str, options: tuple[str, ...], as_json: bool) -> int:
    """Ask the chat model NAME where drawn squares are.

    Reports at which size the model sees an image and in which space it writes coordinates.
    Exits with 1 if it does not answer, or does not write the coordinates it declares.
    """
    chat_options = parse_options(options)
    others = sorted(set(chat_options) - {"chat"})
    if others:
        raise click.BadParameter(
            f"only options of the chat model are allowed, as chat.OPTION=VALUE, got {others[0]}",
            param_hint="-O",
        )
    findings = []
    for finding in chat_findings(name, chat_options.get("chat", {})):
        findings.append(finding)
        if not as_json:
            print_finding(open_console(), finding)
    broken = any(finding.verdict == "broken" for finding in findings)
    if as_json:
        write_json({"healthy": not broken, "findings": [asdict(f) for f in findings]})
    return int(broken)


def chat_findings(name: str, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask a chat model a few questions and yield what its answers show.

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
        yield _check_greeting(subject, chat)
        replies = {color: _ask_for(chat, color) for color in _SQUARES}
    finally:
        if isinstance(chat, Closable):
            chat.close()
    located = [
        Located(box, numbers, _find_size_seen(replies[color]))
        for color, (_, box) in _SQUARES.items()
        if (numbers := read_box(replies[color].text)) is not None
    ]
    yield _sizes(subject, list(replies.values()))
    yield _coordinates(subject, located, list(replies.values()))


def drawn_squares() -> Frame:
    """Return the drawing: four colored squares on gray, shape (448, 1120, 3)."""
    import numpy as np

    image = np.full((*_SIZE, 3), _GRAY, np.uint8)
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


def score_spaces(located: Sequence[Located], declared: str | None = None) -> dict[str, float]:
    """Return for each coordinate space how well a model's boxes fit if it uses that space.

    Args:
        located: The answers of the model.
        declared: The space the model declares, scored as well.

    Returns:
        Mean intersection over union of the boxes, in [0, 1], best first.

    Raises:
        ConfigError: If the declared space does not exist.
    """
    spaces = dict.fromkeys([*_SPACES, declared or _SPACES[0]])
    scores = {name: _mean([_iou(one, name) for one in located]) for name in spaces}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _check_greeting(subject: str, chat: ChatModel) -> Finding:
    begin = time.perf_counter()
    [reply] = chat.chat(_say("Reply with the single word: ready"), max_tokens=16)
    seconds = time.perf_counter() - begin
    cut = ", cut off there," if reply.finish_reason == "length" else ""
    return Finding(
        subject,
        "ok",
        f"answered {_show(reply.text)}{cut} after {seconds:.1f} s, loading included",
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
    seen = dict.fromkeys(_find_size_seen(reply) for reply in replies)
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
            f"gave no box for any of {len(replies)} squares, but {_show(replies[0].text)}; "
            f"{_why_no_box(replies[0])}",
        )
    scores = score_spaces(located, declared)
    best, score = next(iter(scores.items()))
    shown = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    facts = f"boxes of {len(located)} of {len(replies)} squares; they fit {shown} (mean IoU)"
    if score < _FITS_FROM:
        return Finding(
            subject,
            "note",
            f"{facts}; none of these spaces fits: do not trust its boxes",
        )
    if declared is None:
        return Finding(subject, "note", f"{facts}; set -O chat.coordinate_space='{best}'")
    # Spaces that fit equally well give equally good boxes.
    if scores[declared] >= max(_FITS_FROM, score - _SAME_FIT):
        return Finding(subject, "ok", f"writes coordinates in {declared}, as expected: {facts}")
    return Finding(
        subject,
        "broken",
        f"declares coordinates in {declared}, but {facts}; set -O chat.coordinate_space='{best}'",
    )


def _why_no_box(reply: ChatReply) -> str:
    if reply.refusal:
        return f"it refuses: {_show(reply.refusal)}"
    if reply.finish_reason == "content_filter":
        return "its content filter withheld the rest"
    if reply.finish_reason == "length":
        return (
            f"it was cut off at max_tokens={_LONGEST_ANSWER}, as happens to models that think at "
            "length before they answer: turn thinking off on the server"
        )
    return "it may not have been trained to give coordinates"


def _show(text: str) -> str:
    return repr(shorten_text(" ".join(printable(text).split()), 60))


def _find_size_seen(reply: ChatReply) -> Size | None:
    return reply.image_sizes[0] if reply.image_sizes else None


def _iou(one: Located, space: str) -> float:
    from videoseg.coordinates import CoordinateSpace
    from videoseg.types import Box

    x1, y1, x2, y2 = CoordinateSpace(space).to_source(
        one.numbers, source=_SIZE, seen=one.seen or _SIZE
    )
    if not (x1 < x2 and y1 < y2):
        return 0.0
    return Box(*one.box).iou(Box(float(x1), float(y1), float(x2), float(y2)))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
