from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from videoseg_xmem import XMemPropagator
from videoseg_xmem.capabilities import CAPABILITIES

from videoseg.testing import PropagatorContract
from videoseg.types import Size


class TestContract(PropagatorContract):
    # Random weights follow nothing.
    least_iou: ClassVar[float] = 0.0
    registered = CAPABILITIES
    # The working memory is full after 45 frames.
    memory_frames: ClassVar[tuple[int, int]] = (70, 120)
    # A kept mask would be large beside the small objects that come and go inside torch.
    memory_size: ClassVar[Size] = (96, 128)

    @pytest.fixture(autouse=True)
    def _load(self, tiny_checkpoint: Path) -> None:
        self.propagator = XMemPropagator(
            checkpoint=tiny_checkpoint, size=48, device="cpu", precision="float32"
        )

    def make(self) -> XMemPropagator:
        return self.propagator
