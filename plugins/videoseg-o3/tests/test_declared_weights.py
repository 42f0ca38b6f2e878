"""What the propagator ``o3`` says about the weights that it needs."""

from __future__ import annotations

from videoseg.testing import WeightsContract


class TestWeights(WeightsContract):
    kind, name = "propagator", "o3"
    own = {"model": "./mine"}  # noqa: RUF012
