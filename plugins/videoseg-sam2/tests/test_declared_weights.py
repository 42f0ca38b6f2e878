"""What the propagator ``sam2`` says about the weights that it needs."""

from __future__ import annotations

from videoseg.testing import WeightsContract


class TestWeights(WeightsContract):
    kind, name = "propagator", "sam2"
    own = {"checkpoint": "./mine.pt"}  # noqa: RUF012
