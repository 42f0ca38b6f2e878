"""What the detectors say about the weights that they need."""

from __future__ import annotations

from videoseg.testing import WeightsContract


class TestYolox(WeightsContract):
    kind, name = "detector", "yolox"
    options = ({}, *({"checkpoint": name} for name in ("nano", "tiny", "s", "m", "l", "x")))
    own = {"checkpoint": "mine.onnx"}  # noqa: RUF012


class TestZeroShot(WeightsContract):
    kind, name = "detector", "zero-shot"
    own = {"model": "./mine"}  # noqa: RUF012


class TestSam3(WeightsContract):
    kind, name = "detector", "sam3"
    own = {"model": "./mine"}  # noqa: RUF012
