"""What has been published of SAM 2.1, for users who choose a propagator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.types import PublishedScore
from videoseg_sam2.models import DEFAULT_MODEL

__all__ = ["published_scores"]

_SAM2 = {
    "tiny": {"SA-V test": 76.5, "LVOS v2 val": 77.3},
    "small": {"SA-V test": 76.6, "LVOS v2 val": 78.3},
    "base-plus": {"SA-V test": 78.2, "LVOS v2 val": 78.2},
    "large": {"SA-V test": 79.5, "LVOS v2 val": 80.6},
}
"""J&F of SAM 2.1."""


def published_scores(options: Mapping[str, Any]) -> list[PublishedScore]:
    """Return J&F of SAM 2.1 as published, with the memory as published; none of others."""
    if any(options.get(name) for name in ("checkpoint", "config", "random_weights")):
        return []
    version, _, size = str(options.get("model", DEFAULT_MODEL)).rpartition("-hiera-")
    if version.removeprefix("facebook/") != "sam2.1" or options.get("memory", "fifo") != "fifo":
        return []
    return [
        PublishedScore(f"SAM 2.1 {size}", benchmark, value, "SAM 2's README")
        for benchmark, value in _SAM2.get(size, {}).items()
    ]
