"""Registers the embedded default through the same hook as any plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Component, hookimpl
from videoseg.types.capabilities import PropagatorCapabilities

__all__ = ["videoseg_components"]

_SAMPLERS = "videoseg.builtin.samplers"
_READERS = "videoseg.benchmarks.readers"


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield the stages that need no weights, the video readers and the default pipeline."""
    yield Component(
        "sampler",
        "uniform",
        f"{_SAMPLERS}.fixed:UniformSampler",
        summary="Frames at equal distances.",
    )
    yield Component(
        "sampler", "every", f"{_SAMPLERS}.fixed:EverySampler", summary="Every n-th frame."
    )
    yield Component(
        "sampler",
        "explicit",
        f"{_SAMPLERS}.fixed:ExplicitSampler",
        summary="The frames that are listed.",
    )
    yield Component(
        "sampler",
        "first",
        f"{_SAMPLERS}.fixed:FirstSampler",
        summary="The first frame as the keyframe.",
    )
    yield Component(
        "sampler",
        "middle",
        f"{_SAMPLERS}.fixed:MiddleSampler",
        summary="The middle frame as the keyframe.",
    )
    yield Component(
        "sampler",
        "motion",
        f"{_SAMPLERS}.motion:MotionSampler",
        summary="Coarse over the video, fine where things move or where the query points in time.",
    )
    yield Component(
        "grounder",
        "attributes",
        "videoseg.builtin.grounding.attributes:AttributesGrounder",
        summary="Judges colour, size, position, motion, time, number and relations; no nouns.",
    )
    yield Component(
        "segmenter",
        "cut",
        "videoseg.builtin.segmentation.cut:CutSegmenter",
        summary="Graph cut from box and points, seeded by motion.",
    )
    yield Component(
        "propagator",
        "flow",
        "videoseg.builtin.propagation.flow:FlowPropagator",
        summary="Optical flow, colour and motion; objects compete for pixels.",
        capabilities=PropagatorCapabilities(
            boxes=True, points=True, masks=True, corrections=True, live=True
        ),
    )
    yield Component(
        "reader",
        "pyav",
        "videoseg.video.pyav:PyavReader",
        summary="FFmpeg through PyAV, on every platform.",
        requires=("av",),
        install="av",
    )
    yield Component(
        "reader",
        "decord",
        "videoseg.video.decord:DecordReader",
        summary="FFmpeg through decord.",
        requires=("decord",),
        install="decord",
    )
    yield Component(
        "benchmark",
        "mevis",
        f"{_READERS}.mevis:Mevis",
        summary="MeViS: motion expressions.",
        license="CC BY-NC-SA 4.0",
    )
    yield Component(
        "pipeline",
        "attributes",
        "videoseg.builtin.presets:attributes",
        summary="The embedded default: no weights, no downloads, runs on a laptop.",
    )
