"""What a program has set in torch neither changes SAM 2's masks nor is changed by it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_surroundings import SURROUNDINGS, torch_state
from videoseg_sam2 import Sam2Propagator, Sam2Segmenter

from videoseg.testing import passing_squares


def masks(
    checkpoint: Path,
    surroundings: Callable[[], AbstractContextManager[Any]],
    *,
    alone: bool = True,
) -> list[bytes]:
    """Load inside some surroundings, and run every other frame inside them.

    Args:
        checkpoint: The weights.
        surroundings: Makes the surroundings.
        alone: Whether no other thread runs, which would have the default type changed.
    """
    clip = passing_squares()
    with surroundings():
        before = torch_state()
        propagator = Sam2Propagator(
            model="toy", checkpoint=checkpoint, device="cpu", precision="float32"
        )
        session = propagator.open(clip.video)
        session.prompt(clip.prompt(1, 0, kind="mask"))
        session.prompt(clip.prompt(2, 1, kind="box"))
        run = session.run(stop=6)
        assert not alone or torch_state() == before
    found: list[bytes] = []
    for index in range(6):
        with surroundings() if index % 2 == 0 else nullcontext():
            before = torch_state()
            found += [mask.tobytes() for mask in next(run).masks.values()]
            assert not alone or torch_state() == before
    return found


@pytest.fixture(scope="module")
def usual(toy_checkpoint: Path) -> list[bytes]:
    return masks(toy_checkpoint, nullcontext)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_masks_are_those_of_a_run_by_itself(
    name: str, usual: list[bytes], toy_checkpoint: Path
) -> None:
    assert masks(toy_checkpoint, SURROUNDINGS[name]) == usual


def test_two_threads_do_not_disturb_each_other(usual: list[bytes], toy_checkpoint: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def run(name: str) -> list[bytes]:
        return masks(toy_checkpoint, SURROUNDINGS[name], alone=False)

    torch.set_default_dtype(torch.float64)
    try:
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(run, ["no gradients", "autocast to bfloat16"]):
                assert found == usual
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


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
