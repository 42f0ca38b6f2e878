"""Pipelines by name."""

from __future__ import annotations

from typing import Any

__all__ = ["videoseg_r1", "videoseg_r1_3b", "videoseg_r1_remote"]

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
