"""Registers the published benchmarks."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Component, hookimpl

__all__ = ["videoseg_components"]

_BENCHMARKS = (
    ("davis-2016", "davis:Davis2016", "DAVIS-2016: one foreground object, from its first mask."),
    ("davis-2017", "davis:Davis2017", "DAVIS-2017: several objects, from their first masks."),
    ("grefcoco", "refcoco:Grefcoco", "gRefCOCO: sentences for several objects or none, images."),
    ("groundmore", "groundmore:GroundMoRe", "GroundMoRe: questions about motion."),
    ("long-rvos", "long_rvos:LongRvos", "Long-RVOS: expressions on videos of a minute."),
    ("lvos-v1", "lvos:LvosV1", "LVOS v1: long videos, from the first masks."),
    ("lvos-v2", "lvos:LvosV2", "LVOS v2: long videos, seen and unseen categories."),
    ("mevis", "mevis:Mevis", "MeViS: motion expressions."),
    ("mose", "mose:Mose", "MOSE: crowded scenes, from the first masks."),
    ("mosev2", "mose:MoseV2", "MOSEv2: objects that disappear and come back."),
    ("reasonseg", "reasonseg:ReasonSeg", "ReasonSeg: reasoning queries on images."),
    ("reasonvos", "reasonvos:ReasonVos", "ReasonVOS: reasoning queries on videos."),
    ("ref-davis17", "ref_davis17:RefDavis17", "Ref-DAVIS17: four expressions for each object."),
    ("ref-sav", "revos:RefSav", "Ref-SAV: long and short expressions on SA-V."),
    ("ref-youtube-vos", "ref_youtube_vos:RefYoutubeVos", "Ref-YouTube-VOS."),
    ("refcoco", "refcoco:Refcoco", "refCOCO: short expressions on images."),
    ("refcoco-plus", "refcoco:RefcocoPlus", "refCOCO+: without words for places, on images."),
    ("refcocog", "refcoco:Refcocog", "refCOCOg: longer sentences on images."),
    ("revos", "revos:Revos", "ReVOS: referring and reasoning expressions."),
    ("sa-v", "sav:SaV", "SA-V: objects and parts, whose masks may overlap."),
    ("vost", "vost:Vost", "VOST: objects that are transformed."),
    ("youtube-vos-2018", "youtube_vos:YoutubeVos2018", "YouTube-VOS 2018: late objects."),
    ("youtube-vos-2019", "youtube_vos:YoutubeVos2019", "YouTube-VOS 2019: late objects."),
)


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield a component for each benchmark."""
    for name, target, summary in _BENCHMARKS:
        yield Component("benchmark", name, f"videoseg_benchmarks.{target}", summary=summary)
