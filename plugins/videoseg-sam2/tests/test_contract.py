from __future__ import annotations

import pytest
from videoseg_sam2 import Sam2Propagator, Sam2Segmenter
from videoseg_sam2.capabilities import SAM2_CAPABILITIES

from videoseg.testing import PropagatorContract, SegmenterContract


@pytest.fixture(autouse=True)
def shared_parameters(toy_modules: object) -> None:
    """Make the toy's parameters once for all tests."""


class TestPropagator(PropagatorContract):
    least_iou = 0.0
    registered = SAM2_CAPABILITIES
    # What Python's free lists hold is counted, too; a mask must stand out against it.
    memory_size = (96, 128)

    def make(self) -> Sam2Propagator:
        return Sam2Propagator(model="toy", random_weights=True)


class TestSegmenter(SegmenterContract):
    least_iou = 0.0

    def make(self) -> Sam2Segmenter:
        return Sam2Segmenter(model="toy", random_weights=True)
