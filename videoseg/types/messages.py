"""Messages to a chat model, and its replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg.types.arrays import Frame, Size
from videoseg.types.prompts import Embedding

__all__ = ["ChatReply", "ImagePart", "Message", "MessagePart", "TextPart", "time_label"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text in a message."""

    text: str


@dataclass(frozen=True, eq=False, slots=True)
class ImagePart:
    """An image in a message.

    Args:
        image: RGB uint8, shape (H, W, 3).
        max_pixels: Upper bound on height x width at which the model should see it.
        frame: The index of the source frame, if the image is one.
        time: The time of that frame in seconds.
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
            a name of ``videoseg.coordinates.CoordinateSpace``, such as ``per_mille``.
        details: Anything else worth keeping, JSON-serializable.
        finish_reason: Why the answer ends, if known: ``stop`` where the model ended it,
            ``length`` where it was cut off at ``max_tokens``, ``content_filter`` where the server
            withheld the rest, or another word the server uses.
        refusal: Why the model declined to answer, in its own words; empty if it did not.
        embeddings: Vectors for the objects that the answer points at, in the order of the text,
            from models that point in this way.
    """

    text: str
    num_prompt_tokens: int | None = None
    num_tokens: int | None = None
    image_sizes: tuple[Size, ...] = ()
    coordinate_space: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    refusal: str = ""
    embeddings: tuple[Embedding, ...] = ()


def time_label(seconds: float) -> str:
    """Return the text that stands before the image of a frame and gives its time.

    The format is the one Qwen3-VL was trained on.

    Example:
        >>> time_label(3)
        '<3.0 seconds>'
    """
    return f"<{seconds:.1f} seconds>"
