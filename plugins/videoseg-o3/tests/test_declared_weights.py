"""What the propagator ``o3`` says about the weights that it needs."""

from __future__ import annotations

import videoseg as vs
from videoseg.testing import WeightsContract


class TestWeights(WeightsContract):
    kind, name = "propagator", "o3"
    own = {"model": "./mine"}  # noqa: RUF012


def test_what_the_answerer_needs_is_needed():
    answerer = vs.use("attributes", detector="yolox")
    [weights] = vs.default_registry().weights("grounder", "o3", {"answerer": answerer})
    assert weights.name == "yolox_nano.onnx"
    assert vs.default_registry().weights("grounder", "o3") == ()
