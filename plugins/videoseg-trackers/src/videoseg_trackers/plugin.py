"""The hooks of the plug-in. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

import videoseg as vs
from videoseg_trackers.published import TRACKER_CAPABILITIES

_NEEDS = ("torch", "torchvision", "transformers")
_WEIGHTS = "videoseg_trackers.published:published_weights"
_LICENSE = (
    "code Apache-2.0; weights of SAM 2 and EdgeTAM Apache-2.0, of SAM 3 the SAM License (Meta), "
    "gated, restricts the use"
)


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the segmenter and the propagator."""
    yield vs.Component(
        "segmenter",
        "transformers-video",
        "videoseg_trackers.segmenter:TransformersVideoSegmenter",
        summary="SAM 2, EdgeTAM or SAM 3's tracker of transformers on one frame.",
        requires=_NEEDS,
        install="videoseg-trackers",
        license=_LICENSE,
        weights=_WEIGHTS,
    )
    yield vs.Component(
        "propagator",
        "transformers-video",
        "videoseg_trackers.propagator:TransformersVideoPropagator",
        summary="SAM 2, EdgeTAM or SAM 3's tracker of transformers, bounded on videos of any "
        "length.",
        capabilities=TRACKER_CAPABILITIES,
        requires=_NEEDS,
        install="videoseg-trackers",
        license=_LICENSE,
        weights=_WEIGHTS,
        scores="videoseg_trackers.scores:published_scores",
    )
