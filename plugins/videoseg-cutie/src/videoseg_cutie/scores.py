"""What has been published of Cutie, for users who choose a propagator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.types import PublishedScore

__all__ = ["published_scores"]

_BASE = {"DAVIS-2017 val": 87.9, "YouTube-VOS 2019 val": 87.0, "SA-V test": 62.7}


def published_scores(options: Mapping[str, Any]) -> list[PublishedScore]:
    """Return J&F (on YouTube-VOS the overall score) of the base network; none of others."""
    if options.get("precision") == "int8":
        # Published of float32 or bfloat16; what 8 bits cost was not measured with these weights.
        return []
    if options.get("checkpoint", "base") != "base":
        return []
    return [
        PublishedScore("Cutie-base", benchmark, value, "EdgeTAM's README")
        for benchmark, value in _BASE.items()
    ]
