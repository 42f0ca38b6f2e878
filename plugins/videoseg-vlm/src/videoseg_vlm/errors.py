"""Errors of chat models that are asked over a network or read from a recording."""

from __future__ import annotations

from videoseg.errors import ChatError

__all__ = ["ReplayError", "ServerError"]


class ServerError(ChatError):
    """A server is down, too slow, overloaded, or does not follow the protocol.

    Attributes:
        status: The HTTP status of the last answer, if there was one.
    """

    def __init__(self, message: str, *, component: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message, component=component)


class ReplayError(ChatError):
    """A recording has no answer to what was asked."""
