"""What has been published of SAM 2.1 and SAM2Long, for users who choose a propagator."""

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

# Without LVOS v2, which that paper scores otherwise: SAM 2.1 large has 84.0 there, and 80.6 in
# SAM 2's README.
_SAM2LONG = {
    "tiny": {"SA-V val": 78.9, "SA-V test": 79.0},
    "small": {"SA-V val": 79.6, "SA-V test": 80.4},
    "base-plus": {"SA-V val": 80.5, "SA-V test": 80.8},
    "large": {"SA-V val": 81.1, "SA-V test": 81.2},
}
"""J&F of SAM 2.1 with the memory of SAM2Long, which answers at the end of the video there."""

_PUBLISHED = {
    "fifo": ("SAM 2.1", _SAM2, "SAM 2's README"),
    "sam2long": ("SAM2Long", _SAM2LONG, "SAM2Long's paper"),
}
"""For each memory the model, its scores by size, and who has published them."""


def published_scores(options: Mapping[str, Any]) -> list[PublishedScore]:
    """Return J&F of SAM 2.1 as published, with memories of which it is; none of others."""
    if options.get("precision") == "int8":
        # Published of float32 or bfloat16; what 8 bits cost was not measured with these weights.
        return []
    if any(options.get(name) for name in ("checkpoint", "config", "random_weights")):
        return []
    version, _, size = str(options.get("model", DEFAULT_MODEL)).rpartition("-hiera-")
    memory = options.get("memory", "fifo")
    known = _PUBLISHED.get(memory) if isinstance(memory, str) else None
    if version.removeprefix("facebook/") != "sam2.1" or known is None:
        return []
    model, scores, source = known
    return [
        PublishedScore(f"{model} {size}", benchmark, value, source)
        for benchmark, value in scores.get(size, {}).items()
    ]
