"""Memory stays within the bounds that were set."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from videoseg.errors import ConfigError
from videoseg.video import Video
from videoseg.video.cache import FrameCache


def test_cache_holds_the_frames_used_last():
    frame = np.zeros((2, 2, 3), np.uint8)
    cache = FrameCache(3 * frame.nbytes)
    for index in range(3):
        cache.put(index, frame)
    cache.get(0)
    cache.put(3, frame)
    assert [cache.get(index) is not None for index in range(4)] == [True, False, True, True]
    assert cache.num_bytes == 3 * frame.nbytes
    cache.put(3, frame)
    assert cache.num_bytes == 3 * frame.nbytes
    cache.clear()
    assert cache.num_bytes == 0


def test_cache_never_exceeds_its_bound():
    cache = FrameCache(1000)
    generator = np.random.default_rng(0)
    for index in range(200):
        cache.put(index, np.zeros((int(generator.integers(1, 30)), 20, 3), np.uint8))
        assert cache.num_bytes <= 1000
    with pytest.raises(ConfigError):
        FrameCache(-1)


def test_frame_is_decoded_once_while_it_is_held(clip):
    with Video.open(clip("plain.mp4")) as video:
        assert video[7] is video[7]
        list(video.iter_frames())
        assert video[20] is video[20]


def test_pass_longer_than_the_cache_does_not_empty_it(clip):
    with Video.open(clip("plain.mp4"), cache_bytes=4 * 60 * 84 * 3) as video:
        keyframe = video[7]
        list(video.iter_frames())
        list(video.iter_frames(reverse=True))
        assert video[7] is keyframe


@pytest.mark.slow
def test_long_video_is_read_in_flat_memory(tmp_path, encoder):
    path = encoder(
        tmp_path / "long.mp4",
        num_frames=1500,
        size=(240, 320),
        options={"preset": "ultrafast", "g": "250"},
    )
    frame_bytes = 240 * 320 * 3
    process = psutil.Process()
    with Video.open(path, cache_bytes=20 * frame_bytes) as video:
        used = {}
        for index, _ in video.iter_frames():
            if index in (200, 1499):
                used[index] = process.memory_info().rss
        assert used[1499] - used[200] < 40 * frame_bytes
