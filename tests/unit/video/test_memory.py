"""Memory stays within the bounds that were set."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import psutil
import pytest
from PIL import Image

from videoseg.errors import ConfigError, VideoError
from videoseg.video import Video
from videoseg.video.frame_store import FrameCache


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


# -- each frame once -----------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    """Count how often PyAV's reader decodes each frame."""
    from videoseg.video.pyav import PyavReader

    counts = Counter()
    decode = PyavReader._decode

    def counted(reader, cursor, index):
        counts[index] += 1
        return decode(reader, cursor, index)

    monkeypatch.setattr(PyavReader, "_decode", counted)
    return counts


def test_in_order_every_frame_is_decoded_once_whatever_is_asked_for(clip, decoded):
    with Video.open(clip("plain.mp4"), reader="pyav") as plain:
        expected = [plain[index] for index in range(len(plain))]
    decoded.clear()
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        for index in (20, 3, 11, 20, 24):
            assert np.array_equal(video[index], expected[index])
        for start, stop, reverse in ((10, len(video), False), (0, 30, True), (0, None, False)):
            for index, frame in video.iter_frames(start, stop, reverse=reverse):
                assert np.array_equal(frame, expected[index])
        assert decoded == Counter(range(len(video)))


def test_in_order_what_was_decoded_before_is_not_decoded_again(clip, decoded):
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        list(video.iter_frames(0, 9))
        video.decode_in_order()
        video.decode_in_order()
        list(video.iter_frames())
        assert decoded == Counter(range(len(video)))


def test_in_order_one_pass_of_the_reader_serves_all(clip, monkeypatch):
    from videoseg.video.pyav import PyavReader

    passes = []
    iter_frames = PyavReader.iter_frames

    def noted(reader, start, stop):
        passes.append((start, stop))
        return iter_frames(reader, start, stop)

    monkeypatch.setattr(PyavReader, "iter_frames", noted)
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        _ = video[20], video[3]
        list(video.iter_frames())
        assert passes == [(0, len(video))]


def test_a_video_that_does_not_fit_is_read_as_ever(clip, decoded):
    with Video.open(clip("plain.mp4"), reader="pyav", cache_bytes=4 * 60 * 84 * 3) as video:
        video.decode_in_order()
        _ = video[20]
        assert decoded == Counter([20])


def test_pictures_are_read_one_by_one(tmp_path):
    for index in range(4):
        Image.new("RGB", (8, 6), (index, 0, 0)).save(tmp_path / f"{index}.png")
    with Video.open(tmp_path) as video:
        (tmp_path / "1.png").write_bytes(b"damaged since")
        video.decode_in_order()
        assert video[3][0, 0, 0] == 3


def test_a_frame_that_cannot_be_decoded_costs_no_other(clip, monkeypatch):
    from videoseg.video.pyav import PyavReader

    decode = PyavReader._decode

    def broken(reader, cursor, index):
        if index == 5:
            raise VideoError("frame 5 cannot be decoded")
        return decode(reader, cursor, index)

    monkeypatch.setattr(PyavReader, "_decode", broken)
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        assert video[9].any()
        with pytest.raises(VideoError, match="frame 5"):
            _ = video[5]
        assert video[4].any()


def test_an_interrupted_pass_can_be_begun_again(clip, monkeypatch):
    from videoseg.video.pyav import PyavReader

    decode = PyavReader._decode
    interrupts = [KeyboardInterrupt()]

    def interrupted(reader, cursor, index):
        if index == 5 and interrupts:
            raise interrupts.pop()
        return decode(reader, cursor, index)

    # Ctrl-C reaches the main thread only, so that one decodes here.
    monkeypatch.setattr("videoseg.video.frame_store.FrameStore._fill_ahead", lambda store: None)
    monkeypatch.setattr(PyavReader, "_decode", interrupted)
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        with pytest.raises(KeyboardInterrupt):
            _ = video[9]
        assert video[9].any()
        assert len(list(video.iter_frames())) == len(video)


def test_frames_are_decoded_ahead_of_whoever_needs_them(clip, decoded):
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        for thread in _decoding_threads():
            thread.join(timeout=20)
        assert decoded == Counter(range(len(video)))
        assert len(list(video.iter_frames(reverse=True))) == len(video)
        assert decoded == Counter(range(len(video)))


def test_closing_ends_decoding_ahead(clip, monkeypatch):
    from videoseg.video.pyav import PyavReader

    decode = PyavReader._decode
    reached, closing = threading.Event(), threading.Event()
    seen = []

    def slow(reader, cursor, index):
        seen.append(index)
        if index == 3:
            reached.set()
            closing.wait(timeout=20)
        return decode(reader, cursor, index)

    monkeypatch.setattr(PyavReader, "_decode", slow)
    video = Video.open(clip("plain.mp4"), reader="pyav")
    video.decode_in_order()
    [thread] = _decoding_threads()
    assert reached.wait(timeout=20)
    closer = threading.Thread(target=video.close)
    closer.start()
    while not video._store.is_closed:
        time.sleep(0.001)
    closing.set()
    closer.join(timeout=20)
    thread.join(timeout=20)
    assert not closer.is_alive()
    assert not thread.is_alive()
    assert seen == [0, 1, 2, 3]


def test_an_error_while_decoding_ahead_reaches_whoever_needs_the_frame(clip, monkeypatch):
    from videoseg.video.pyav import PyavReader

    decode = PyavReader._decode

    def broken(reader, cursor, index):
        if index == 5:
            raise MemoryError("no memory")
        return decode(reader, cursor, index)

    monkeypatch.setattr(PyavReader, "_decode", broken)
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        video.decode_in_order()
        for thread in _decoding_threads():
            thread.join(timeout=20)
        assert video[4].any()
        with pytest.raises(MemoryError):
            _ = video[9]


def _decoding_threads():
    return [thread for thread in threading.enumerate() if thread.name == "decoding"]


def test_a_window_does_not_decode_what_lies_before_it(clip, decoded):
    with Video.open(clip("plain.mp4"), reader="pyav") as video:
        window = video.window(20, 24)
        window.decode_in_order()
        list(window.iter_frames())
        assert decoded == Counter(range(20, 24))


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
