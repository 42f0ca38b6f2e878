"""Budgets of time, and the bookkeeping of questions to chat models."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from videoseg.text import format_count

__all__ = ["Budget", "Cost", "Stopwatch"]


@dataclass(slots=True)
class Cost:
    """What a wrapper has spent on questions of its own, beside time, which results have apart.

    Args:
        num_questions: Calls of a chat model.
        num_tokens: Tokens that were generated, where the model tells; None if it never did.
    """

    num_questions: int = 0
    num_tokens: int | None = None

    def add(self, num_tokens: int | None) -> None:
        """Count one question."""
        self.num_questions += 1
        if num_tokens is not None:
            self.num_tokens = num_tokens + (self.num_tokens or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        return {"num_questions": self.num_questions, "num_tokens": self.num_tokens}

    def __str__(self) -> str:
        if not self.num_questions:
            return "no question"
        parts = [format_count(self.num_questions, "question")]
        if self.num_tokens is not None:
            parts.append(format_count(self.num_tokens, "token"))
        return ", ".join(parts)


@dataclass(slots=True)
class Stopwatch:
    """Seconds of a budget that are used up.

    What is about to begin is allowed if the longest thing of its kind so far would still fit.
    So a budget is overrun only by something that takes longer than any before it.

    Args:
        limit: The budget in seconds; None for no limit.
        spent: Seconds of the budget that were used before.
        clock: Returns seconds that only increase; for tests.
    """

    limit: float | None
    spent: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _begin: float = field(init=False)

    def __post_init__(self) -> None:
        self._begin = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds used up, those from before included."""
        return self.spent + self.clock() - self._begin

    def has_time_for(self, seconds: float = 0.0) -> bool:
        """Return whether something that takes so many seconds would still fit."""
        if self.limit is None:
            return True
        elapsed = self.elapsed
        return elapsed < self.limit and elapsed + seconds <= self.limit


@dataclass(slots=True)
class Budget:
    """What asking may cost in one run.

    Args:
        asks: How often it is asked at most.
        seconds: Seconds that asking and what follows may take; None for no limit.
        clock: Returns seconds that only increase; for tests.
    """

    asks: int
    seconds: float | None
    clock: Callable[[], float] = time.monotonic
    num_asked: int = 0
    spent: float = 0.0
    longest: float = 0.0

    @property
    def is_left(self) -> bool:
        """Whether there is enough of it to ask once more."""
        if self.num_asked >= self.asks:
            return False
        return self.seconds is None or (
            self.spent < self.seconds and self.spent + self.longest <= self.seconds
        )

    def count(self, begin: float) -> None:
        """Count one asking that began at a time of the clock and ends now."""
        seconds = self.clock() - begin
        self.num_asked += 1
        self.spent += seconds
        self.longest = max(self.longest, seconds)
