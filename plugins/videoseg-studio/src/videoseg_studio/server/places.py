"""How many clients may do the same at a time: uploads, and events that are followed."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from videoseg_studio.server.errors import RequestError

__all__ = ["HeldStream", "Places"]


class Places:
    """A limited number of places, taken without waiting.

    Args:
        count: How many there are.
        what: What takes them, in words.
    """

    def __init__(self, count: int, what: str) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._what = what

    def take(self) -> None:
        """Take a place.

        Raises:
            RequestError: With status 429, if there is none.
        """
        if not self._free.acquire(blocking=False):
            raise RequestError(
                429,
                f"there are too many {self._what} at the moment; try again in 5 seconds",
                headers={"Retry-After": "5"},
            )

    def free(self) -> None:
        """Give a place back."""
        self._free.release()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the time of the block."""
        self.take()
        try:
            yield
        finally:
            self.free()


class HeldStream(StreamingResponse):
    """Server-sent events that give their place back when they end, however they do.

    Args:
        content: The events.
        places: Where a place has been taken for them.
    """

    def __init__(self, content: AsyncIterator[str], places: Places) -> None:
        super().__init__(
            content,
            media_type="text/event-stream",
            # Proxies would otherwise keep events back until there are many.
            headers={"X-Accel-Buffering": "no"},
        )
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.free()
