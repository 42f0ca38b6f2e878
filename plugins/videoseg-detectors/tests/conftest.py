"""A tiny YOLOX with random weights in an ONNX file, and checkpoints of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_clips import real_clips
from tiny_yolox import save_tiny_yolox

__all__ = ["real_clips"]

CLASSES = ("person", "car", "bird")


@pytest.fixture(scope="session")
def tiny_yolox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a network of three classes that takes images of 64x96 pixels."""
    path = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    return save_tiny_yolox(path, size=(64, 96), num_classes=len(CLASSES))
