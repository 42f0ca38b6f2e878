"""What has been published of XMem, for users who choose a propagator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.types import PublishedScore

__all__ = ["published_scores"]

_BENCHMARKS = {"DAVIS-2017 val": 86.0, "YouTube-VOS 2019 val": 85.6, "SA-V test": 62.3}


def published_scores(options: Mapping[str, Any]) -> list[PublishedScore]:
    """Return J&F (on YouTube-VOS the overall score) of the default weights; none of others."""
    if options.get("precision") == "int8":
        # Published of float32 or bfloat16; what 8 bits cost was not measured with these weights.
        return []
    if options.get("checkpoint", "XMem") != "XMem":
        return []
    return [
        PublishedScore("XMem", benchmark, value, "EdgeTAM's README")
        for benchmark, value in _BENCHMARKS.items()
    ]
