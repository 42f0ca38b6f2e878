"""Where many episodes wait for the policy, so that it answers them together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from videoseg_train.episode_chat import Call
from videoseg_train.policy import Policy

__all__ = ["Closed", "Gate"]


class Closed(Exception):  # noqa: N818 -- it is no error of the episode that it ends
    """The rollouts are being given up."""


class Gate:
    """Where the episodes' calls wait until every episode that is not over has one.

    Which calls are answered together then depends on the episodes alone, not on the threads.

    Args:
        count: How many episodes there are.
    """

    def __init__(self, count: int) -> None:
        self._changed = threading.Condition()
        self._running = count
        self._waiting: dict[int, tuple[Call, threading.Event]] = {}
        self._is_closed = False

    def asker(self, number: int) -> Callable[[Call], None]:
        """Return how the episode of this number asks."""

        def ask(call: Call) -> None:
            answered = threading.Event()
            with self._changed:
                if self._is_closed:
                    raise Closed
                self._waiting[number] = (call, answered)
                self._changed.notify_all()
            answered.wait()
            if self._is_closed and not call.answers and call.error is None:
                raise Closed

        return ask

    def leave(self) -> None:
        """Note that an episode is over."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def serve(self, policy: Policy) -> None:
        """Answer until all episodes are over; called by the thread that computes."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_closed or len(self._waiting) == self._running
                )
                batch = [self._waiting[number] for number in sorted(self._waiting)]
                if self._is_closed or not batch:
                    return
                self._waiting.clear()
            try:
                policy.answer([call for call, _ in batch])
            finally:
                for call, answered in batch:
                    if not call.answers and call.error is None:
                        call.error = Closed()
                    answered.set()

    def close(self) -> None:
        """Let no episode wait any longer; those that ask end."""
        with self._changed:
            self._is_closed = True
            for _, answered in self._waiting.values():
                answered.set()
            self._changed.notify_all()
