"""What a program has set in torch neither changes XMem's masks nor is changed by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch_surroundings import PropagatorSurroundings
from videoseg_xmem import XMemPropagator


@pytest.fixture(scope="module")
def make(tiny_checkpoint: Path) -> Callable[[], XMemPropagator]:
    return lambda: XMemPropagator(
        checkpoint=tiny_checkpoint, size=40, mem_every=2, device="cpu", precision="float32"
    )


class TestXMem(PropagatorSurroundings):
    second_kind = "mask"
