"""How much a reward shrinks where the reasoning is longer than the task is worth."""

from __future__ import annotations

import math
from numbers import Real

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = ["soft_length_penalty"]


def soft_length_penalty(
    num_tokens: int, budget: int, *, slope: float = 0.005, floor: float = 0.0
) -> float:
    """Return the factor on a reward: 1 within the budget, then falling with each token.

    1 - slope x (tokens - budget), as VideoSeg-R1 has it, with a budget that grows with the
    task's difficulty. The slope is not published. As written it has no lower bound; here it
    has, so that a long right answer is never worse than a wrong one.

    Args:
        num_tokens: Tokens of reasoning.
        budget: How many the task is worth.
        slope: What each token above the budget costs.
        floor: The least factor, in [0, 1].

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> [soft_length_penalty(tokens, 40) for tokens in (40, 60, 240, 300)]
        [1.0, 0.9, 0.0, 0.0]
    """
    numbers = (num_tokens, budget, slope, floor)
    # Written so that what is no number (NaN) is refused as well.
    if not all(isinstance(n, Real) and 0 <= n < math.inf for n in numbers) or floor > 1:
        raise ConfigError(
            "a length penalty needs num_tokens, budget and slope of at least 0 and a floor in "
            f"[0, 1], got {', '.join(map(shorten, numbers))}"
        )
    return float(min(1.0, max(floor, 1.0 - slope * max(0, num_tokens - budget))))
