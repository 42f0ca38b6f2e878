"""The entry point: declares the stages and pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

import videoseg as vs

__all__ = ["O3_CAPABILITIES", "videoseg_components"]

O3_CAPABILITIES = vs.PropagatorCapabilities(
    boxes=True,
    points=True,
    masks=True,
    embeddings=("videoseg-o3",),
    late_objects=True,
    backward=True,
    corrections=True,
    live=True,
)
"""What the propagator ``o3`` takes and can do."""

# What the [SEG] model and its propagator need besides this plug-in's own dependencies.
_MODEL_NEEDS = ("torch", "transformers", "videoseg_sam2", "videoseg_vlm")
_MODEL_WEIGHTS = "videoseg_o3.model.files:default_weights_command"


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the strategy's stages and its pipelines."""
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
