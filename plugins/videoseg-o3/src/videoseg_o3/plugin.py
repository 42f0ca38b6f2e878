"""The entry point: declares the stages and pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import videoseg as vs

__all__ = [
    "EMBEDDING_MODEL",
    "O3_CAPABILITIES",
    "find_answerer",
    "find_embedding_model",
    "videoseg_components",
    "videoseg_o3_2b",
    "videoseg_o3_4b",
    "videoseg_o3_remote",
    "videoseg_o3_text",
]

EMBEDDING_MODEL = "videoseg-o3"
"""What the embeddings of ``[SEG]`` are called in prompts (``Embedding.model``)."""

O3_CAPABILITIES = vs.PropagatorCapabilities(
    boxes=True,
    points=True,
    masks=True,
    embeddings=(EMBEDDING_MODEL,),
    late_objects=True,
    backward=True,
    corrections=True,
    live=True,
)
"""What the propagator ``o3`` takes and can do."""

# What the [SEG] model and its propagator need besides this plug-in's own dependencies.
_MODEL_NEEDS = ("torch", "transformers", "videoseg_sam2", "videoseg_vlm")
_MODEL_WEIGHTS = "videoseg_o3.model.files:published_weights"

_MAX_TURNS = 3
"""The turns of the released evaluation."""


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the strategy's stages and its pipelines."""
    yield vs.Component(
        "sampler",
        "coarse",
        "videoseg_o3.sampler:CoarseSampler",
        "Many small frames and a few larger ones, then what the grounder asks for.",
    )
    yield vs.Component(
        "grounder",
        "o3",
        "videoseg_o3.grounder:O3Grounder",
        "Thinks of time, place and words, asks for the frames it needs, then answers.",
        uses=("chat",),
        embeddings="videoseg_o3.plugin:find_embedding_model",
        parts="videoseg_o3.plugin:find_answerer",
    )
    yield vs.Component(
        "chat",
        "o3",
        "videoseg_o3.model.chat:SegChat",
        summary="The model of VideoSEG-O3, which points at objects with [SEG].",
        requires=("torchvision", *_MODEL_NEEDS),
        install="videoseg-o3[model]",
        license="code and published weights: Apache-2.0",
        weights=_MODEL_WEIGHTS,
    )
    yield vs.Component(
        "propagator",
        "o3",
        "videoseg_o3.propagator:O3Propagator",
        summary="SAM 2 of VideoSEG-O3 with a language prompt, bounded on videos of any length.",
        capabilities=O3_CAPABILITIES,
        requires=_MODEL_NEEDS,
        install="videoseg-o3[model]",
        license="code and published weights: Apache-2.0",
        weights=_MODEL_WEIGHTS,
    )
    for name, function, summary in (
        ("videoseg-o3-2b", "videoseg_o3_2b", "VideoSEG-O3 as released, 2B."),
        ("videoseg-o3-4b", "videoseg_o3_4b", "VideoSEG-O3 as released, 4B."),
        (
            "videoseg-o3-text",
            "videoseg_o3_text",
            "The looking of VideoSEG-O3 with Qwen3-VL 8B, answers in text, SAM 2 large.",
        ),
        (
            "videoseg-o3-remote",
            "videoseg_o3_remote",
            "VideoSEG-O3 in text, with the language model on a server.",
        ),
    ):
        yield vs.Component("pipeline", name, f"videoseg_o3.plugin:{function}", summary)


def find_answerer(options: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return the grounder that locates what ``o3`` has found, as a part of it."""
    return [("grounder", options.get("answerer"))]


def find_embedding_model(options: Mapping[str, Any]) -> str:
    """Return the model of the embeddings that the grounder ``o3`` answers with.

    Args:
        options: The grounder's.

    Returns:
        Its name; empty if the grounder answers otherwise.
    """
    is_seg = options.get("answer") == "seg" and options.get("answerer") is None
    return EMBEDDING_MODEL if is_seg else ""


def videoseg_o3_2b() -> dict[str, Any]:
    """Return the released composition with the checkpoint of 2B parameters."""
    return _released("videoseg-o3-2b", "dmmm997/VideoSEG-O3-2B-RL")


def videoseg_o3_4b() -> dict[str, Any]:
    """Return the released composition with the checkpoint of 4B parameters."""
    return _released("videoseg-o3-4b", "dmmm997/VideoSEG-O3-4B-RL")


def videoseg_o3_text() -> dict[str, Any]:
    """Return the composition for any chat model, with one on this machine."""
    chat = {"name": "transformers", "options": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}
    return _in_text("videoseg-o3-text", chat)


def videoseg_o3_remote() -> dict[str, Any]:
    """Return the composition with the language model on a server."""
    chat = {"name": "openai", "options": {"model": "Qwen/Qwen3-VL-8B-Instruct"}}
    return _in_text("videoseg-o3-remote", chat)


def _released(name: str, model: str) -> dict[str, Any]:
    return {
        "name": name,
        "sampler": {"name": "coarse", "options": {"preset": "eval"}},
        "grounder": {"name": "o3", "options": {"answer": "seg"}},
        "propagator": {"name": "o3", "options": {"model": model}},
        "chat": {"name": "o3", "options": {"model": model}},
        "max_turns": _MAX_TURNS,
    }


def _in_text(name: str, chat: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "sampler": {"name": "coarse", "options": {"preset": "eval"}},
        "grounder": {"name": "o3", "options": {"answer": "text"}},
        "propagator": {"name": "sam2", "options": {"model": "sam2.1-hiera-large"}},
        "chat": chat,
        "max_turns": _MAX_TURNS,
    }
