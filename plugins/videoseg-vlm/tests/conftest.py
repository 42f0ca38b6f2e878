"""Tiny checkpoints, saved once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_vlm import save_tiny_vlm
from torchvision_builds import declare_missing_operators
from videoseg_vlm import TransformersChat

from videoseg.types import ImagePart, Message, TextPart


@pytest.fixture(scope="session", autouse=True)
def importable_torchvision() -> None:
    """Let processors load on machines where torch and torchvision are of different builds."""
    declare_missing_operators()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a server again after hundredths of a second."""
    monkeypatch.setattr("videoseg_vlm.server.transport._FIRST_PAUSE", 0.01)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a tiny checkpoint of each family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        family: save_tiny_vlm(folder, family) for family in ("qwen2-vl", "qwen2.5-vl", "qwen3-vl")
    }


@pytest.fixture(scope="session")
def image_processors(checkpoints: dict[str, Path]) -> dict[str, Any]:
    """Return the image processor of each family."""
    from transformers import AutoImageProcessor

    return {
        family: AutoImageProcessor.from_pretrained(path) for family, path in checkpoints.items()
    }


@pytest.fixture(scope="session")
def chats(checkpoints: dict[str, Path]) -> dict[str, TransformersChat]:
    """Return a chat model of each family."""
    return {family: TransformersChat(model=str(path)) for family, path in checkpoints.items()}


@pytest.fixture
def ask() -> Callable[..., list[Message]]:
    """Return a function that makes a conversation of images and a question."""

    def ask(
        *sizes: tuple[int, int], text: str = "What is it?", max_pixels: int | None = None
    ) -> list[Message]:
        rng = np.random.default_rng(len(sizes))
        images = [
            ImagePart(rng.integers(0, 255, (*size, 3), np.uint8), max_pixels=max_pixels)
            for size in sizes
        ]
        return [Message("user", (*images, TextPart(text)))]

    return ask
