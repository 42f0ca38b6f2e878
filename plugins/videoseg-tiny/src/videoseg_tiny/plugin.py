"""The entry point: declares the chat model and the pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import videoseg as vs

__all__ = [
    "SEG_MODEL",
    "videoseg_components",
    "videoseg_o3_tiny",
    "videoseg_o3_tiny_seg",
    "videoseg_r1_tiny",
]

SEG_MODEL = str(files("videoseg_tiny") / "seg_model")
"""The folder of the shipped ``[SEG]`` model."""

_SMALL = 48 * 48
_SQUARE = 96 * 96
_MAX_TOKENS = 96


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the chat model and its pipelines."""
    yield vs.Component(
        "chat",
        "tiny",
        "videoseg_tiny.chat:TinyChat",
        "A model of a million parameters that knows drawn clips only; comes with its weights.",
        requires=("torch", "torchvision", "transformers", "accelerate"),
        install="videoseg-tiny",
        license="Apache-2.0",
    )
    yield vs.Component(
        "pipeline",
        "videoseg-r1-tiny",
        "videoseg_tiny.plugin:videoseg_r1_tiny",
        "The strategy of VideoSeg-R1 with the tiny model, for drawn clips.",
    )
    yield vs.Component(
        "pipeline",
        "videoseg-o3-tiny",
        "videoseg_tiny.plugin:videoseg_o3_tiny",
        "The strategy of VideoSEG-O3 with the tiny model, for drawn clips.",
    )
    yield vs.Component(
        "chat",
        "tiny-seg",
        "videoseg_tiny.seg_chat:TinySegChat",
        "The tiny model that points at objects with [SEG]; knows drawn clips only.",
        requires=("torch", "torchvision", "transformers", "accelerate", "videoseg_sam2"),
        install="videoseg-tiny[seg]",
        license="Apache-2.0",
    )
    yield vs.Component(
        "pipeline",
        "videoseg-o3-tiny-seg",
        "videoseg_tiny.plugin:videoseg_o3_tiny_seg",
        "VideoSEG-O3 with the tiny [SEG] model and a tiny SAM 2, for drawn clips.",
    )


def videoseg_r1_tiny() -> dict[str, Any]:
    """Return the composition of VideoSeg-R1 for the tiny model."""
    return {
        "name": "videoseg-r1-tiny",
        "sampler": {
            "name": "htfs",
            "options": {
                "num_spans": 1,
                "num_positions": 1,
                "max_rounds": 1,
                "num_frames": 6,
                "frame_pixels": _SMALL,
                "max_tokens": _MAX_TOKENS,
                "key_frames": 1,
                "references": "none",
                "detail_pixels": _SMALL,
                "target_pixels": _SQUARE,
                "prompt_version": _prompt(""),
            },
        },
        "grounder": {
            "name": "r1",
            "options": {
                "prompt": _prompt("ground.txt"),
                "max_tokens": _MAX_TOKENS,
                "on_parse_error": "empty",
            },
        },
        "segmenter": "cut",
        "propagator": "flow",
        "chat": "tiny",
        "max_turns": 1,
    }


def videoseg_o3_tiny() -> dict[str, Any]:
    """Return the composition of VideoSEG-O3 for the tiny model."""
    return {
        "name": "videoseg-o3-tiny",
        "sampler": {
            "name": "coarse",
            "options": {
                "num_context": 6,
                "num_detail": 1,
                "num_look": 1,
                "context_pixels": _SMALL,
                "detail_pixels": _SMALL,
                "keyframe_pixels": _SQUARE,
            },
        },
        "grounder": {
            "name": "o3",
            "options": {
                "answer": "text",
                "prompt": _prompt("o3.txt"),
                "max_tokens": _MAX_TOKENS,
                "on_parse_error": "empty",
            },
        },
        "segmenter": "cut",
        "propagator": "flow",
        "chat": "tiny",
        "max_turns": 2,
    }


def videoseg_o3_tiny_seg(model: str | None = None) -> dict[str, Any]:
    """Return the composition of VideoSEG-O3 for the tiny ``[SEG]`` model.

    Args:
        model: Another folder with a model of this kind, such as one that was trained further.
    """
    return {
        "name": "videoseg-o3-tiny-seg",
        "sampler": {
            "name": "coarse",
            "options": {
                "num_context": 6,
                "num_detail": 3,
                "num_look": 1,
                "context_pixels": _SMALL,
                "detail_pixels": _SMALL,
                "keyframe_pixels": _SQUARE,
            },
        },
        "grounder": {
            "name": "o3",
            "options": {
                "answer": "seg",
                "behavior": "extended",
                "prompt": _prompt("o3.txt"),
                "max_tokens": _MAX_TOKENS,
                "on_parse_error": "empty",
            },
        },
        "propagator": {
            "name": "o3",
            "options": {"model": model or SEG_MODEL, "precision": "float32"},
        },
        "chat": "tiny-seg" if model is None else {"name": "tiny-seg", "options": {"model": model}},
        "max_turns": 2,
    }


def _prompt(name: str) -> str:
    """Return the option for a prompt of this package; for the folder of all with an empty name."""
    return f"videoseg_tiny:prompts/{name}" if name else "videoseg_tiny:prompts"
