"""The entry point: declares the chat models and the command. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

import videoseg as vs


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the chat models."""
    yield vs.Component(
        "chat",
        "transformers",
        "videoseg_vlm.transformers_chat:TransformersChat",
        summary="A vision-language model in this process (Qwen-VL and others).",
        requires=("torch", "torchvision", "transformers", "accelerate"),
        install="videoseg-vlm",
        license="the model's own; see its card",
        weights="videoseg_vlm.published:transformers_weights",
    )
    yield vs.Component(
        "chat",
        "openai",
        "videoseg_vlm.openai_chat:OpenAIChat",
        summary="A model on a server that speaks the OpenAI protocol (vLLM, SGLang, ...).",
        requires=("httpcore",),
        install="videoseg-vlm",
        license="the model's own; see its card",
    )
    yield vs.Component(
        "chat",
        "record",
        "videoseg_vlm.recording:RecordingChat",
        summary="Another chat model, with every exchange recorded in a file.",
        parts="videoseg_vlm.published:recorded_model",
    )
    yield vs.Component(
        "chat",
        "replay",
        "videoseg_vlm.recording:ReplayChat",
        summary="The answers of an earlier run, from a file.",
    )


@vs.hookimpl
def videoseg_commands() -> Iterable[vs.Command]:
    """Declare ``videoseg chat``."""
    yield vs.Command("chat", "videoseg_vlm.chat_check:chat", "Check a chat model.")
