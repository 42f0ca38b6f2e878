"""What the propagator ``cutie`` says about the weights that it needs."""

from __future__ import annotations

from videoseg_cutie.checkpoint import published_weights

from videoseg.testing import WeightsContract
from videoseg.weights import WeightsFile


class TestWeights(WeightsContract):
    kind, name = "propagator", "cutie"
    own = {"checkpoint": "mine.pth"}  # noqa: RUF012


def test_each_published_file_has_a_hash_of_its_own() -> None:
    [base], [small] = (published_weights({"checkpoint": name}) for name in ("base", "small"))
    assert isinstance(base, WeightsFile)
    assert isinstance(small, WeightsFile)
    assert base.md5
    assert small.md5
    assert base.md5 != small.md5
