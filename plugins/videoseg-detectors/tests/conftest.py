"""A tiny YOLOX with random weights in an ONNX file, and checkpoints of transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from real_clips import real_clips
from tiny_detectors import Family, save_tiny_detector
from tiny_yolox import save_tiny_yolox

__all__ = ["real_clips"]

CLASSES = ("person", "car", "bird")


@pytest.fixture(scope="session")
def tiny_yolox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a network of three classes that takes images of 64x96 pixels."""
    path = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    return save_tiny_yolox(path, size=(64, 96), num_classes=len(CLASSES))


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], str]:
    """Return a function from the name of a family to the folder of a tiny checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda family: str(save_tiny_detector(folder, family)))
