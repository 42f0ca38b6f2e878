"""What this plug-in offers. Declaring it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

import videoseg as vs

__all__ = ["videoseg_components"]


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the strategy's sampler, its ablations, its grounder and its pipelines."""
    for name, target, summary in (
        (
            "htfs",
            "htfs:HierarchicalSampler",
            "Narrows the video to a key segment and a target frame, by asking a model.",
        ),
        ("direct", "ablation:DirectSampler", "Asks for the target frame on the whole video."),
        (
            "segment-random",
            "ablation:SegmentRandomSampler",
            "Asks for the key segment, then takes a frame of it at random.",
        ),
        ("timestamp", "ablation:TimestampSampler", "Asks for the time of the target frame."),
    ):
        yield vs.Component("sampler", name, f"videoseg_r1.{target}", summary, uses=("chat",))
    yield vs.Component(
        "grounder",
        "r1",
        "videoseg_r1.grounder:ReasoningGrounder",
        "Reasons aloud, then gives a box, a point and a negative point for each object.",
        uses=("chat",),
    )
    for name, function, summary in (
        ("videoseg-r1", "videoseg_r1", "VideoSeg-R1: Qwen2.5-VL 7B, SAM 2 large, XMem."),
        ("videoseg-r1-3b", "videoseg_r1_3b", "VideoSeg-R1 with Qwen2.5-VL 3B."),
        (
            "videoseg-r1-remote",
            "videoseg_r1_remote",
            "VideoSeg-R1 with the language model on a server.",
        ),
    ):
        yield vs.Component("pipeline", name, f"videoseg_r1.presets:{function}", summary)
