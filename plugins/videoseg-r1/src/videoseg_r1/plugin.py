"""The entry point: declares the stages and pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import videoseg as vs

__all__ = ["videoseg_components", "videoseg_r1", "videoseg_r1_3b", "videoseg_r1_remote"]


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the strategy's sampler, its ablations, its grounder and its pipelines."""
    for name, target, summary in (
        (
            "htfs",
            "samplers:HierarchicalSampler",
            "Asks a model for a key segment, then for a target frame.",
        ),
        ("direct", "samplers:DirectSampler", "Asks for the target frame on the whole video."),
        (
            "segment-random",
            "samplers:SegmentRandomSampler",
            "Asks for the key segment, then takes a frame of it at random.",
        ),
        ("timestamp", "samplers:TimestampSampler", "Asks for the time of the target frame."),
    ):
        yield vs.Component("sampler", name, f"videoseg_r1.{target}", summary, uses=("chat",))
    yield vs.Component(
        "grounder",
        "r1",
        "videoseg_r1.grounder:ReasoningGrounder",
        "Reasons, then gives a box, a point and a negative point for each object.",
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
        yield vs.Component("pipeline", name, f"videoseg_r1.plugin:{function}", summary)


_LARGE_SAM2 = {"name": "sam2", "options": {"model": "sam2.1-hiera-large"}}


def videoseg_r1() -> dict[str, Any]:
    """Return the published composition: Qwen2.5-VL 7B, SAM 2 large, XMem."""
    return _pipeline("videoseg-r1", _local("Qwen/Qwen2.5-VL-7B-Instruct"))


def videoseg_r1_3b() -> dict[str, Any]:
    """Return the smaller one of the paper: Qwen2.5-VL 3B."""
    return _pipeline("videoseg-r1-3b", _local("Qwen/Qwen2.5-VL-3B-Instruct"))


def videoseg_r1_remote() -> dict[str, Any]:
    """Return the composition with the language model on a server."""
    chat = {"name": "openai", "options": {"model": "Qwen/Qwen2.5-VL-7B-Instruct"}}
    return _pipeline("videoseg-r1-remote", chat)


def _local(model: str) -> dict[str, Any]:
    return {"name": "transformers", "options": {"model": model}}


def _pipeline(name: str, chat: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "sampler": "htfs",
        "grounder": "r1",
        "segmenter": _LARGE_SAM2,
        "propagator": "xmem",
        "chat": chat,
        "max_turns": 1,
    }
