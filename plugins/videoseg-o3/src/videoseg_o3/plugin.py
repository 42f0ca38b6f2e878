"""The entry point: declares the stages and pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

import videoseg as vs

__all__ = ["videoseg_components"]


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the strategy's stages and its pipelines."""
    yield vs.Component(
        "chat",
        "o3",
        "videoseg_o3.model.chat:SegChat",
        summary="The model of VideoSEG-O3, which points at objects with [SEG].",
        requires=("torch", "torchvision", "transformers"),
        install="videoseg-o3[model]",
        license="Apache-2.0",
    )
