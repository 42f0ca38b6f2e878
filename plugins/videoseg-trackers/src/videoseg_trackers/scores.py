"""What has been published of the trackers, for users who choose a propagator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.types import PublishedScore
from videoseg_trackers.published import DEFAULT_MODEL

__all__ = ["published_scores"]

_README = "SAM 2's README"
_PUBLISHED: Mapping[str, tuple[str, Mapping[str, float], str]] = {
    "facebook/sam2.1-hiera-tiny": (
        "SAM 2.1 tiny",
        {"SA-V test": 76.5, "LVOS v2 val": 77.3},
        _README,
    ),
    "facebook/sam2.1-hiera-small": (
        "SAM 2.1 small",
        {"SA-V test": 76.6, "LVOS v2 val": 78.3},
        _README,
    ),
    "facebook/sam2.1-hiera-base-plus": (
        "SAM 2.1 base-plus",
        {"SA-V test": 78.2, "LVOS v2 val": 78.2},
        _README,
    ),
    "facebook/sam2.1-hiera-large": (
        "SAM 2.1 large",
        {"SA-V test": 79.5, "LVOS v2 val": 80.6},
        _README,
    ),
    "yonigozlan/EdgeTAM-hf": (
        "EdgeTAM",
        {"SA-V test": 71.7, "DAVIS-2017 val": 87.7},
        "EdgeTAM's README",
    ),
    "facebook/sam3": (
        "SAM 3",
        {"SA-V test": 84.4, "LVOS v2 val": 88.5, "DAVIS-2017 val": 92.2},
        "the paper of SAM 3",
    ),
}
"""For each checkpoint the model, J&F by benchmark, and who has published it."""


def published_scores(options: Mapping[str, Any]) -> list[PublishedScore]:
    """Return what has been published of the chosen checkpoint; nothing of others."""
    if options.get("precision") == "int8":
        # Published of float32 or bfloat16; what 8 bits cost was not measured with these weights.
        return []
    model, values, source = _PUBLISHED.get(str(options.get("model", DEFAULT_MODEL)), ("", {}, ""))
    return [PublishedScore(model, one, value, source) for one, value in values.items()]
