"""The contract of propagators, with a memory that answers late."""

from __future__ import annotations

import functools

import pytest
from videoseg_sam2 import Sam2Long, Sam2Propagator
from videoseg_sam2.propagator import find_capabilities

from videoseg.testing import PropagatorContract


@pytest.fixture(autouse=True)
def shared_parameters(toy_modules: object) -> None:
    """Make the toy's parameters once for all tests."""


class TestPropagatorThatAnswersLate(PropagatorContract):
    least_iou = 0.0
    registered = find_capabilities({"memory": "sam2long"})
    memory_size = (96, 128)

    def make(self) -> Sam2Propagator:
        memory = functools.partial(Sam2Long, 2)
        return Sam2Propagator(model="toy", random_weights=True, memory=memory)

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_video(self) -> None:
        super().test_memory_does_not_grow_with_the_video()
