"""Core messages in the form chat templates take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from videoseg.errors import ConfigError
from videoseg.types import ImagePart, Message, TextPart, time_label

__all__ = ["check_question", "images_of", "with_times", "without_tokens"]

_ZERO_WIDTH_SPACE = "\u200b"


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


def check_question(
    messages: Sequence[Message], *, num_samples: int, temperature: float, max_tokens: int
) -> None:
    """Raise ``ConfigError`` unless there is something to answer, in a way that can be done."""
    problems = []
    if not messages:
        problems.append("a conversation needs at least one message")
    elif messages[-1].role == "assistant":
        problems.append("the last message must be the user's, so that there is one to answer")
    if num_samples < 1:
        problems.append(f"num_samples must be at least 1, got {num_samples}")
    if max_tokens < 1:
        problems.append(f"max_tokens must be at least 1, got {max_tokens}")
    if not (math.isfinite(temperature) and temperature >= 0):
        problems.append(f"temperature must be 0 or a number above, got {temperature}")
    if problems:
        raise ConfigError(problems)
