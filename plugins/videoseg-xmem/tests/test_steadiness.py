"""Masks stay those of earlier versions, whatever is moved in the code."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions
from videoseg_xmem.network.preparation import prepare
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.tracker import Tracker

# Probabilities of two objects at two places of each frame, as version 0.1.0 computed them.
STORED = Path(__file__).with_name("probabilities.json")
NUM_FRAMES = 14


def probabilities() -> list[list[float]]:
    """Propagate two objects, one late and corrected, through memories that are consolidated."""
    network = random_network(Dimensions(key=8, value=32, sensory=8, width=8), seed=1)
    network = prepare(network, device=torch.device("cpu"), dtype=torch.float32)
    options = MemoryOptions(
        mem_every=2,
        top_k=5,
        min_working_frames=2,
        max_working_frames=4,
        prototypes=20,
        long_term_elements=50,
    )
    tracker = Tracker(network, options)
    generator = torch.Generator().manual_seed(0)
    found = []
    for index in range(NUM_FRAMES):
        image = torch.randn(1, 3, 48, 64, generator=generator)
        given = {}
        if index in (0, 9):
            given = {0: torch.zeros(48, 64)}
            given[0][8 + index : 32, 8:32] = 1
        elif index == 4:
            given = {1: torch.zeros(48, 64)}
            given[1][20:40, 30:60] = 1
        image = image.contiguous(memory_format=torch.channels_last)
        result = tracker.step(image, given, last=index == NUM_FRAMES - 1)
        found.append(result[1:, (11, 30), (13, 41)].flatten().tolist())
    assert tracker.memory.num_prototypes > 0
    return found


def test_probabilities_are_those_that_were_stored() -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    for was, now in zip(stored, probabilities(), strict=True):
        torch.testing.assert_close(torch.tensor(now), torch.tensor(was), atol=1e-4, rtol=0)
