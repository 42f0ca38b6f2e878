"""The components of the core, registered through the same hook as those of any plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg._core_commands import CORE_COMMANDS
from videoseg.plugins import Command, Component, hookimpl

__all__ = ["videoseg_commands", "videoseg_components"]

_SAMPLERS = (
    ("uniform", "UniformSampler", "Evenly spaced frames."),
    ("every", "EverySampler", "Every n-th frame."),
    ("explicit", "ExplicitSampler", "The frames that are listed."),
    ("first", "FirstSampler", "The first frame as the keyframe."),
    ("middle", "MiddleSampler", "The middle frame as the keyframe."),
)


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield the fixed samplers, what is given instead of an answer, and the video readers."""
    for name, target, summary in _SAMPLERS:
        yield Component("sampler", name, f"videoseg.samplers:{target}", summary=summary)
    yield Component(
        "sampler",
        "given",
        "videoseg.given:GivenSampler",
        summary="The frames for which objects are given.",
    )
    yield Component(
        "grounder",
        "given",
        "videoseg.given:GivenGrounder",
        summary="Objects whose masks, boxes or points are given; the query does not matter.",
        answers_with_masks=True,
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
        summary="FFmpeg through decord where that is exact, through PyAV elsewhere.",
        requires=("decord",),
        install="videoseg[decord]",
    )


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Yield the commands of the core, so that a plug-in that declares one of them is noticed."""
    for name, (target, summary) in CORE_COMMANDS.items():
        yield Command(name, target, summary)
