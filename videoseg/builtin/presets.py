"""Pipelines by name."""

from __future__ import annotations

from typing import Any

__all__ = ["attributes"]


def attributes() -> dict[str, Any]:
    """Return the embedded default."""
    return {
        "name": "attributes",
        "sampler": "motion",
        "grounder": "attributes",
        "segmenter": "cut",
        "propagator": "flow",
        "max_turns": 3,
    }
