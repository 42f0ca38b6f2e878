"""What is said to a chat model, and what it says back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg.types.arrays import Frame, Size

__all__ = ["ChatReply", "ImagePart", "Message", "MessagePart", "TextPart"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a message."""

    text: str


@dataclass(frozen=True, eq=False, slots=True)
class ImagePart:
    """An image in a message.

    Args:
        image: RGB uint8, shape (H, W, 3).
        max_pixels: Upper bound on height x width at which the model should see it.
        frame: The source frame it is, if it is one.
        time: Its time in seconds, if it is a frame.
    """

    image: Frame
    max_pixels: int | None = None
    frame: int | None = None
    time: float | None = None


MessagePart: TypeAlias = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[MessagePart, ...]


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer of a chat model.

    Args:
        text: The answer.
        num_prompt_tokens: Tokens of the conversation, images included, if known.
        num_tokens: Tokens generated, if known.
        image_sizes: The (height, width) at which the model saw each image, in order; empty if
            unknown.
        coordinate_space: The convention in which the model writes coordinates, if known:
            ``pixels_of_resized`` (pixels of the image as the model saw it), ``per_mille``
            (thousandths of width and height), ``square(n)`` (pixels of a square of that side)
            or ``unit`` (shares of width and height); with ``_yx`` behind it, as in
            ``per_mille_yx``, y is written before x.
        details: Anything else worth keeping, JSON-serialisable.
        finish_reason: Why the answer ends, if known: ``stop`` where the model ended it,
            ``length`` where it was cut off at ``max_tokens``, ``content_filter`` where the server
            withheld the rest, or another word of the server's.
        refusal: Why the model declined to answer, in its own words; empty if it did not.
    """

    text: str
    num_prompt_tokens: int | None = None
    num_tokens: int | None = None
    image_sizes: tuple[Size, ...] = ()
    coordinate_space: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    refusal: str = ""
