"""Encoded masks are scored without ever being dense together."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np

from videoseg.metrics import protocol_named, score_sample
from videoseg.types import Rle

SIZE = (480, 854)
FRAME_BYTES = SIZE[0] * SIZE[1]


class Repeated(Sequence):
    """A few masks over and over, so that only the scoring itself takes memory."""

    def __init__(self, masks: list[Rle], num_frames: int) -> None:
        self.masks, self.num_frames = masks, num_frames

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Repeated(self.masks, len(range(*index.indices(self.num_frames))))
        if not 0 <= index < self.num_frames:
            raise IndexError(index)
        return self.masks[index % len(self.masks)]


def peak(num_frames: int) -> int:
    rows, columns = np.indices(SIZE)
    masks = [
        Rle.encode((rows - 240) ** 2 + (columns - middle) ** 2 < 150**2) for middle in (350, 420)
    ]
    truth, pred = Repeated(masks, num_frames), Repeated(masks[::-1], num_frames)
    tracemalloc.start()
    try:
        score = score_sample({1: pred}, {1: truth}, size=SIZE, protocol=protocol_named("mevis"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert 0 < score.values["j_and_f"] < 1


def test_memory_does_not_grow_with_the_length_of_the_video():
    peak(2)
    few, many = peak(20), peak(200)
    # What grows are the numbers of each frame.
    assert many - few < 180 * 1024
    assert many < 8 * FRAME_BYTES
