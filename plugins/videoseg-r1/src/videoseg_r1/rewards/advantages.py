"""Rewards of one group of answers, relative to one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types import FloatArray

__all__ = ["group_advantages"]

_SMALL = 1e-6


def group_advantages(rewards: Sequence[float]) -> FloatArray:
    """Return (reward - mean) / (standard deviation + 1e-6) for answers to one prompt (GRPO).

    Args:
        rewards: One for each answer.

    Returns:
        Shape (N,). The deviation is the unbiased one. A single answer keeps its reward: there
        is nothing to compare it with.

    Raises:
        ConfigError: If there are no rewards, or one is not finite.

    Example:
        >>> group_advantages([1.0, 0.0]).round(4).tolist()
        [0.7071, -0.7071]
    """
    try:
        values = np.array(rewards, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"advantages need a list of finite rewards, got {shorten(rewards)}")
    if values.size == 1:
        return values
    advantages: FloatArray = (values - values.mean()) / (values.std(ddof=1) + _SMALL)
    return advantages
