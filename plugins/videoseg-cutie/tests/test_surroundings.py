"""What a program has set in torch neither changes Cutie's masks nor is changed by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch_surroundings import PropagatorSurroundings
from videoseg_cutie import CutiePropagator


@pytest.fixture(scope="module")
def make(tiny_checkpoint: Path) -> Callable[[], CutiePropagator]:
    return lambda: CutiePropagator(
        checkpoint=tiny_checkpoint,
        max_internal_size=40,
        mem_every=2,
        device="cpu",
        precision="float32",
    )


class TestCutie(PropagatorSurroundings):
    second_kind = "mask"
