"""Why a chat model did not answer."""

from __future__ import annotations

from videoseg import StageError

__all__ = ["ChatError", "ContextLengthError", "ReplayError", "ServerError"]


class ChatError(StageError):
    """A chat model could not answer; the message says why and what to do.

    Args:
        message: What happened.
        component: The name of the chat model's component.
    """

    def __init__(self, message: str, *, component: str) -> None:
        super().__init__(message, stage="chat", component=component)


class ContextLengthError(ChatError):
    """A conversation has more tokens than the model takes."""


class ServerError(ChatError):
    """A server is down, too slow, overloaded, or does not answer as agreed.

    Attributes:
        status: The HTTP status of the last answer, if there was one.
    """

    def __init__(self, message: str, *, component: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message, component=component)


class ReplayError(ChatError):
    """A recording has no answer to what was asked."""
