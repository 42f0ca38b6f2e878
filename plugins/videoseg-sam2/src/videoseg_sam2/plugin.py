"""The hooks of the plug-in. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

import videoseg as vs
from videoseg_sam2.capabilities import SAM2_CAPABILITIES

_NEEDS = ("torch", "sam2", "huggingface_hub")
_WEIGHTS = "videoseg_sam2.weights:published_weights"
_LICENSE = "code and published weights: Apache-2.0"


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the segmenter and the propagator."""
    yield vs.Component(
        "segmenter",
        "sam2",
        "videoseg_sam2.segmenter:Sam2Segmenter",
        summary="SAM 2 on one frame: box, points and negative points.",
        requires=_NEEDS,
        install="videoseg-sam2",
        license=_LICENSE,
        weights=_WEIGHTS,
    )
    yield vs.Component(
        "propagator",
        "sam2",
        "videoseg_sam2.propagator:Sam2Propagator",
        summary="SAM 2 with its memory of past frames, bounded on videos of any length.",
        capabilities=SAM2_CAPABILITIES,
        capabilities_of="videoseg_sam2.propagator:find_capabilities",
        requires=_NEEDS,
        install="videoseg-sam2",
        license=_LICENSE,
        weights=_WEIGHTS,
        scores="videoseg_sam2.scores:published_scores",
    )
