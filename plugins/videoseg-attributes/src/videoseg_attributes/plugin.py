"""Registers the pipeline ``attributes`` and its stages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from videoseg.plugins import Component, hookimpl
from videoseg.types import PropagatorCapabilities

__all__ = ["attributes", "videoseg_components"]


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield the stages of the default pipeline, and the pipeline itself."""
    yield Component(
        "sampler",
        "motion",
        "videoseg_attributes.motion_sampler:MotionSampler",
        summary="Coarse over the video, fine where there is motion or the query names a time.",
    )
    yield Component(
        "grounder",
        "attributes",
        "videoseg_attributes.grounding.grounder:AttributesGrounder",
        summary="Understands color, size, place, motion, time, relations; nouns with a detector.",
    )
    yield Component(
        "segmenter",
        "cut",
        "videoseg_attributes.segmentation.cut:CutSegmenter",
        summary="Graph cut from box and points, seeded by motion.",
    )
    yield Component(
        "propagator",
        "flow",
        "videoseg_attributes.propagation.flow:FlowPropagator",
        summary="Optical flow, color and motion; objects compete for pixels.",
        capabilities=PropagatorCapabilities(
            boxes=True, points=True, masks=True, corrections=True, live=True
        ),
    )
    yield Component(
        "pipeline",
        "attributes",
        "videoseg_attributes.plugin:attributes",
        summary="The default pipeline: no weights, no downloads, runs on a laptop.",
    )


def attributes() -> dict[str, Any]:
    """Return the configuration of the default pipeline."""
    return {
        "name": "attributes",
        "sampler": "motion",
        "grounder": "attributes",
        "segmenter": "cut",
        "propagator": "flow",
        "max_turns": 3,
    }
