"""What a program has set in torch neither changes SAM 2's masks nor is changed by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch_surroundings import SURROUNDINGS, PropagatorSurroundings
from videoseg_sam2 import Sam2Propagator, Sam2Segmenter

from videoseg.testing import passing_squares


@pytest.fixture(scope="module")
def make(toy_checkpoint: Path) -> Callable[[], Sam2Propagator]:
    return lambda: Sam2Propagator(
        model="toy", checkpoint=toy_checkpoint, device="cpu", precision="float32"
    )


class TestSam2(PropagatorSurroundings):
    second_kind = "box"


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_segmenter_finds_what_it_finds_by_itself(name: str, toy_checkpoint: Path) -> None:
    clip = passing_squares()
    prompts = [clip.prompt(object_id, 0, kind="box") for object_id in (1, 2)]

    def segmented() -> list[tuple[bytes, float]]:
        segmenter = Sam2Segmenter(
            model="toy", checkpoint=toy_checkpoint, device="cpu", precision="float32"
        )
        return [
            (answer.mask.tobytes(), answer.score)
            for answer in segmenter.segment(clip.video, prompts)
        ]

    usual = segmented()
    with SURROUNDINGS[name]():
        assert segmented() == usual
