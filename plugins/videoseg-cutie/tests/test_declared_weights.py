"""What the propagator ``cutie`` says about the weights that it needs."""

from __future__ import annotations

from videoseg.testing import WeightsContract


class TestWeights(WeightsContract):
    kind, name = "propagator", "cutie"
    own = {"checkpoint": "mine.pth"}  # noqa: RUF012
