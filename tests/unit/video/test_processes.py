"""A video survives pickling, forks and threads."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from videoseg.errors import VideoError
from videoseg.video import Video

READERS = ["pyav", "decord"]


def needs(reader):
    import importlib.util

    if reader == "decord" and importlib.util.find_spec("decord") is None:
        pytest.skip("decord is not installed")


def checksums(video, indices):
    return [zlib.crc32(video[index].tobytes()) for index in indices]


def forks(test):
    """Mark a test that forks; skip it where that is not possible."""
    no_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    return pytest.mark.forks(no_fork(test))


def in_child(function):
    """Run a function in a forked child and return what it returns, failing where it hangs."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    worker = multiprocessing.get_context("fork").Process(target=lambda: sender.send(function()))
    worker.start()
    try:
        assert receiver.poll(60), "the child hangs"
        return receiver.recv()
    finally:
        worker.join(20)
        if worker.is_alive():
            worker.kill()
            pytest.fail("the child does not end")


@forks
@pytest.mark.parametrize("reader", READERS)
def test_forked_child_reads_the_same_frames(clip, reader):
    needs(reader)
    indices = [30, 2, 17, 39, 0]
    with Video.open(clip("b-frames.mp4"), reader=reader, cache_bytes=0) as video:
        before = checksums(video, indices)
        assert in_child(lambda: checksums(video, indices)) == before
        assert in_child(lambda: checksums(video.window(5, 35), [0, 20])) == checksums(
            video, [5, 25]
        )
        assert checksums(video, indices) == before


@forks
@pytest.mark.parametrize("reader", READERS)
def test_fork_in_the_middle_of_a_pass_disturbs_neither_side(clip, reader):
    needs(reader)
    with Video.open(clip("b-frames.mp4"), reader=reader, cache_bytes=0) as video:
        expected = checksums(video, range(40))
        for reverse in (False, True):
            frames = video.iter_frames(reverse=reverse)
            seen = [next(frames) for _ in range(10)]

            def rest(frames=frames):
                return [(index, zlib.crc32(frame.tobytes())) for index, frame in frames]

            theirs, ours = in_child(rest), rest()
            assert theirs == ours
            sums = [(index, zlib.crc32(frame.tobytes())) for index, frame in seen] + ours
            assert sorted(sums) == list(enumerate(expected))


@forks
def test_fork_while_another_thread_reads_does_not_hang(clip):
    with Video.open(clip("b-frames.mp4"), cache_bytes=0) as video:
        expected = checksums(video, [3, 33])
        stop = threading.Event()

        def keep_reading():
            while not stop.is_set():
                checksums(video, [5, 25])

        thread = threading.Thread(target=keep_reading)
        thread.start()
        try:
            for _ in range(5):
                assert in_child(lambda: checksums(video, [3, 33])) == expected
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("reader", READERS)
def test_spawned_process_reads_the_same_frames(clip, reader):
    needs(reader)
    with Video.open(clip("b-frames.mp4"), reader=reader) as video:
        expected = checksums(video, [30, 2])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            theirs = pool.apply_async(_read, (video.window(2), [28, 0])).get(timeout=60)
    assert theirs == expected


def _read(video, indices):
    return [zlib.crc32(video[index].tobytes()) for index in indices]


@forks
def test_forked_child_closes_its_own_decoder_only(clip):
    with Video.open(clip("b-frames.mp4"), cache_bytes=0) as video:
        before = checksums(video, [4])
        in_child(video.close)
        assert checksums(video, [4, 5])[:1] == before


@pytest.mark.parametrize("kind", ["file", "folder", "frames"])
def test_pickled_video_reads_the_same_frames(clip, tmp_path, numbered, kind):
    from PIL import Image

    if kind == "file":
        video = Video.open(clip("b-frames.mp4"))
    elif kind == "frames":
        video = Video.from_frames([numbered(index) for index in range(5)], fps=7)
    else:
        for index in range(5):
            Image.fromarray(numbered(index)).save(tmp_path / f"{index}.png")
        video = Video.open(tmp_path, fps=7)
    video[2]
    copy = pickle.loads(pickle.dumps(video[1:5]))
    assert copy.facts() == video[1:5].facts()
    for index in range(4):
        assert np.array_equal(copy[index], video[index + 1])


def test_pickled_video_takes_no_frames_along(clip):
    with Video.open(clip("plain.mp4")) as video:
        list(video.iter_frames())
        assert len(pickle.dumps(video)) < 2000


def test_iterator_cannot_be_pickled_and_says_what_to_do(numbered):
    video = Video.from_iterator(numbered(index) for index in range(3))
    with pytest.raises(VideoError, match="VideoWriter"):
        pickle.dumps(video)


@pytest.mark.parametrize("reader", READERS)
def test_threads_share_a_video(clip, reader):
    needs(reader)
    with Video.open(clip("b-frames.mp4"), reader=reader, cache_bytes=60 * 84 * 3 * 4) as video:
        expected = checksums(video, range(40))
        orders = [np.random.default_rng(seed).permutation(40).tolist() for seed in range(6)]
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda order: checksums(video, order), orders))
        for order, result in zip(orders, results, strict=True):
            assert result == [expected[index] for index in order]
