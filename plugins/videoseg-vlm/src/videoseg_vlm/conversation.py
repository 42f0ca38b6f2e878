"""Conversations for chat templates, and the sizes of their images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from annotated_types import Interval

from videoseg.errors import ConfigError
from videoseg.types import Frame, ImagePart, Message, Size, TextPart, time_label

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MAX_ASPECT_RATIO",
    "TopP",
    "add_time_labels",
    "check_question",
    "escape_tokens",
    "fit_size",
    "list_images",
    "resize_image",
    "stretches_to_square",
]

TopP: TypeAlias = Annotated[float, Interval(gt=0, le=1)]
"""Cumulative probability of the tokens that are sampled from."""

_ZERO_WIDTH_SPACE = "\u200b"


def list_images(messages: Iterable[Message]) -> list[ImagePart]:
    """Return all images of a conversation, in order."""
    return [part for message in messages for part in message.parts if isinstance(part, ImagePart)]


def add_time_labels(messages: Sequence[Message]) -> list[Message]:
    """Return messages with a time label before each image that has a time."""
    return [Message(message.role, tuple(_label_parts(message))) for message in messages]


def _label_parts(message: Message) -> Iterator[Any]:
    for part in message.parts:
        if isinstance(part, ImagePart) and part.time is not None:
            yield TextPart(time_label(part.time))
        yield part


def escape_tokens(text: str, special_tokens: Sequence[str]) -> str:
    """Return a text in which special tokens of the model are plain text.

    A query that contains the token for an image or for the end of a message would otherwise
    change the structure of the conversation.
    """
    for token in special_tokens:
        text = text.replace(token, token[0] + _ZERO_WIDTH_SPACE + token[1:])
    return text


def check_question(
    messages: Sequence[Message], *, num_samples: int, temperature: float, max_tokens: int
) -> None:
    """Raise ``ConfigError`` unless the conversation and the settings can be answered."""
    problems = []
    if not messages:
        problems.append("a conversation needs at least one message")
    elif messages[-1].role == "assistant":
        problems.append("the last message must be the user's")
    if num_samples < 1:
        problems.append(f"num_samples must be at least 1, got {num_samples}")
    if max_tokens < 1:
        problems.append(f"max_tokens must be at least 1, got {max_tokens}")
    if not (math.isfinite(temperature) and temperature >= 0):
        problems.append(f"temperature must be at least 0, got {temperature}")
    if problems:
        raise ConfigError(problems)


MAX_ASPECT_RATIO = 200.0
"""Longest ratio of the sides that the processors of Qwen-VL accept."""


def fit_size(size: Size, *, max_pixels: int, min_pixels: int = 1, factor: int = 1) -> Size:
    """Return the size at which to show an image within a budget.

    Both sides are multiples of ``factor``, and the aspect ratio is kept as far as that allows.
    The shorter side is at least ``factor``, even if that exceeds the budget.

    Args:
        size: The image's (height, width).
        max_pixels: Upper bound on height x width.
        min_pixels: Lower bound on height x width; smaller images are enlarged.
        factor: The number of pixels of which both sides are multiples.

    Raises:
        ConfigError: If the bounds exclude each other, or the ratio of the sides is above
            ``MAX_ASPECT_RATIO``.
    """
    height, width = size
    if max_pixels < max(1, min_pixels):
        raise ConfigError(
            f"max_pixels must be at least min_pixels and 1, got {max_pixels} and {min_pixels}"
        )
    ratio = max(height, width) / min(height, width)
    if ratio > MAX_ASPECT_RATIO:
        raise ConfigError(
            f"an image of {height}x{width} pixels is {ratio:.0f} times as long as it is wide; "
            f"models take up to {MAX_ASPECT_RATIO:.0f} times: crop it"
        )
    rounded = [max(1, round(side / factor)) * factor for side in size]
    if rounded[0] * rounded[1] > max_pixels:
        scale = math.sqrt(max_pixels / (height * width))
        sides = [max(1, math.floor(side * scale / factor)) * factor for side in size]
    elif rounded[0] * rounded[1] < min_pixels:
        scale = math.sqrt(min_pixels / (height * width))
        sides = [max(1, math.ceil(side * scale / factor)) * factor for side in size]
    else:
        sides = rounded
    return sides[0], sides[1]


def stretches_to_square(side: int, max_pixels: int | None) -> bool:
    """Return whether an image is stretched to the model's square.

    The image on which objects are located has a budget of at least the square; frames with a
    smaller budget are context and keep their aspect ratio.
    """
    return max_pixels is None or max_pixels >= side * side


def resize_image(image: Frame, size: Size) -> Image:
    """Resize an image, bicubically with antialiasing."""
    from PIL import Image

    picture = Image.fromarray(image)
    height, width = size
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC)
