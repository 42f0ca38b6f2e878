from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from videoseg_cutie import CutiePropagator
from videoseg_xmem.capabilities import CAPABILITIES

from videoseg.testing import PropagatorContract
from videoseg.types import Size


class TestContract(PropagatorContract):
    # Random weights follow nothing.
    least_iou: ClassVar[float] = 0.0
    registered = CAPABILITIES
    # With the working memory added to every second frame, it is full after 18 frames.
    memory_frames: ClassVar[tuple[int, int]] = (30, 60)
    # A kept mask would be large beside the small objects that come and go inside torch.
    memory_size: ClassVar[Size] = (96, 128)

    @pytest.fixture(autouse=True)
    def _load(self, tiny_checkpoint: Path) -> None:
        self.propagator = CutiePropagator(
            checkpoint=tiny_checkpoint,
            max_internal_size=48,
            mem_every=2,
            device="cpu",
            precision="float32",
        )

    def make(self) -> CutiePropagator:
        return self.propagator
