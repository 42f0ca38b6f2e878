from __future__ import annotations

import numpy as np
import pytest
from videoseg_example import SharpestSampler, sharpness

import videoseg as vs
from videoseg.testing import SamplerContract


class TestContract(SamplerContract):
    def make(self) -> SharpestSampler:
        return SharpestSampler(num_frames=4)


def blurred(frame: np.ndarray) -> np.ndarray:
    small = frame.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    return small.repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)


@pytest.fixture
def mostly_blurred() -> tuple[vs.Video, list[int]]:
    """Return 20 frames of which only four are sharp, one in each quarter, and these four."""
    rng = np.random.default_rng(0)
    sharp_frames = [3, 5, 12, 19]
    frames = rng.integers(0, 255, size=(20, 48, 64, 3), dtype=np.uint8)
    for index in set(range(20)) - set(sharp_frames):
        frames[index] = blurred(frames[index])
    return vs.Video.from_frames(frames), sharp_frames


def test_chooses_the_sharp_frame_of_each_part(
    mostly_blurred: tuple[vs.Video, list[int]],
) -> None:
    video, sharp_frames = mostly_blurred
    sampler = SharpestSampler(num_frames=4, num_candidates=5)
    selection = sampler.sample(video, "anything", window=vs.Window(0, 20))
    assert list(selection.indices) == sharp_frames


def test_compares_no_more_frames_than_asked_for() -> None:
    read: list[int] = []

    class Counting:
        def read(self, indices: list[int]) -> list[np.ndarray]:
            read.extend(indices)
            return [np.zeros((8, 8, 3), np.uint8)] * len(indices)

    SharpestSampler(num_frames=4, num_candidates=2).sample(
        Counting(), "anything", window=vs.Window(100, 10_000)
    )
    assert len(read) == 8
    assert all(100 <= index < 10_000 for index in read)


def test_blurring_lowers_sharpness() -> None:
    frame = np.random.default_rng(1).integers(0, 255, size=(48, 64, 3), dtype=np.uint8)
    assert 0 < sharpness(blurred(frame)) < sharpness(frame)


@pytest.mark.parametrize("option", ["num_frames", "num_candidates"])
def test_an_option_below_one_is_refused(option: str) -> None:
    with pytest.raises(vs.ConfigError, match=f"{option}. .* >= 1, got 0"):
        SharpestSampler(**{option: 0})
