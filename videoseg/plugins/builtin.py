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
_READERS = "videoseg.benchmarks.readers"
_BENCHMARKS = (
    ("davis-2016", "davis:Davis2016", "DAVIS-2016: one foreground object, from its first mask."),
    ("davis-2017", "davis:Davis2017", "DAVIS-2017: several objects, from their first masks."),
    ("grefcoco", "refcoco:Grefcoco", "gRefCOCO: sentences for several objects or none, images."),
    ("groundmore", "groundmore:GroundMoRe", "GroundMoRe: questions about motion."),
    ("long-rvos", "long_rvos:LongRvos", "Long-RVOS: expressions on videos of a minute."),
    ("mevis", "mevis:Mevis", "MeViS: motion expressions."),
    ("reasonseg", "reasonseg:ReasonSeg", "ReasonSeg: reasoning queries on images."),
    ("reasonvos", "reasonvos:ReasonVos", "ReasonVOS: reasoning queries on videos."),
    ("ref-davis17", "ref_davis17:RefDavis17", "Ref-DAVIS17: four expressions for each object."),
    ("ref-sav", "revos:RefSav", "Ref-SAV: long and short expressions on SA-V."),
    ("ref-youtube-vos", "ref_youtube_vos:RefYoutubeVos", "Ref-YouTube-VOS."),
    ("refcoco", "refcoco:Refcoco", "refCOCO: short expressions on images."),
    ("refcoco-plus", "refcoco:RefcocoPlus", "refCOCO+: without words for places, on images."),
    ("refcocog", "refcoco:Refcocog", "refCOCOg: longer sentences on images."),
    ("revos", "revos:Revos", "ReVOS: referring and reasoning expressions."),
)


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield the fixed samplers, the video readers and the published benchmarks."""
    for name, target, summary in _SAMPLERS:
        yield Component("sampler", name, f"videoseg.samplers:{target}", summary=summary)
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
    for name, target, summary in _BENCHMARKS:
        yield Component("benchmark", name, f"{_READERS}.{target}", summary=summary)


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Yield the commands of the core, so that a plug-in that declares one of them is noticed."""
    for name, (target, summary) in CORE_COMMANDS.items():
        yield Command(name, target, summary)
