"""Scores that others have published."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PublishedScore"]


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A score of a model on a benchmark, as somebody has published it; not measured here.

    Args:
        model: The model, such as ``SAM 2.1 large``.
        benchmark: The benchmark and its split, such as ``SA-V test``.
        value: The score in percent, J&F where the benchmark has no measure of its own.
        source: Who has published it. Scores of different sources differ by a point and more for
            one model: do not rank models by scores of different sources.
    """

    model: str
    benchmark: str
    value: float
    source: str
