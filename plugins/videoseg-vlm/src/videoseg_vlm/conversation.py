"""Core messages in the form chat templates take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from videoseg import ConfigError, ImagePart, Message, TextPart

__all__ = ["check_conversation", "images_of", "time_label", "with_times", "without_tokens"]

_ZERO_WIDTH_SPACE = "\u200b"


def time_label(seconds: float) -> str:
    """Return a time as it is written before a frame, as Qwen3-VL was trained to read it.

    Example:
        >>> time_label(3)
        '<3.0 seconds>'
    """
    return f"<{seconds:.1f} seconds>"


def images_of(messages: Iterable[Message]) -> list[ImagePart]:
    """Return all images of a conversation, in order."""
    return [part for message in messages for part in message.parts if isinstance(part, ImagePart)]


def with_times(messages: Sequence[Message]) -> list[Message]:
    """Write before each image that has a time what time it is."""
    return [Message(message.role, tuple(_timed(message))) for message in messages]


def _timed(message: Message) -> Iterator[Any]:
    for part in message.parts:
        if isinstance(part, ImagePart) and part.time is not None:
            yield TextPart(time_label(part.time))
        yield part


def without_tokens(text: str, special_tokens: Sequence[str]) -> str:
    """Return text in which nothing reads as a special token of the model's.

    A query that holds the token for an image or for the end of a message would otherwise
    change the conversation's structure.
    """
    for token in special_tokens:
        text = text.replace(token, token[0] + _ZERO_WIDTH_SPACE + token[1:])
    return text


def check_conversation(messages: Sequence[Message]) -> None:
    """Raise ``ConfigError`` unless there is something to answer."""
    if not messages:
        raise ConfigError("a conversation needs at least one message")
    if messages[-1].role == "assistant":
        raise ConfigError("the last message must be the user's, so that there is one to answer")
