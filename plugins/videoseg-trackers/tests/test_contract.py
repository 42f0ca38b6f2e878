from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from videoseg_trackers import TransformersVideoPropagator, TransformersVideoSegmenter
from videoseg_trackers.published import TRACKER_CAPABILITIES

from videoseg.testing import PropagatorContract, SegmenterContract, WeightsContract


class TestPropagator(PropagatorContract):
    least_iou = 0.0
    registered = TRACKER_CAPABILITIES
    # What Python's free lists hold is counted, too; a mask must stand out against it.
    memory_size = (96, 128)
    folder: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def checkpoint(self, sam2_folder: Path) -> None:
        type(self).folder = sam2_folder

    def make(self) -> TransformersVideoPropagator:
        return _shared(self.folder)


_made: dict[Path, TransformersVideoPropagator] = {}


def _shared(folder: Path) -> TransformersVideoPropagator:
    """Return one propagator for all tests: it reads its weights once."""
    if folder not in _made:
        _made[folder] = TransformersVideoPropagator(model=str(folder), precision="float32")
    return _made[folder]


class TestSegmenter(SegmenterContract):
    least_iou = 0.0
    folder: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def checkpoint(self, sam2_folder: Path) -> None:
        type(self).folder = sam2_folder

    def make(self) -> TransformersVideoSegmenter:
        return TransformersVideoSegmenter(model=str(self.folder), precision="float32")


class TestWeights(WeightsContract):
    kind, name = "propagator", "transformers-video"
    own: ClassVar[dict[str, str]] = {"model": "./mine"}
