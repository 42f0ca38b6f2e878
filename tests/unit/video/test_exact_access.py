"""A frame is the same picture however it is reached."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from videoseg.errors import VideoError
from videoseg.video import Video, pyav
from videoseg.video.pyav import PyavReader


def same(frames, expected):
    return len(frames) == len(expected) and all(
        np.array_equal(frame, other) for frame, other in zip(frames, expected, strict=True)
    )


def test_every_frame_is_found_whatever_the_codec_does(any_clip, in_order):
    expected = in_order(any_clip)
    with Video.open(any_clip) as video:
        assert len(video) == len(expected)
        assert same([frame for _, frame in video.iter_frames()], expected)


def test_going_backward_gives_the_frames_of_going_forward(any_clip, in_order):
    expected = in_order(any_clip)
    with Video.open(any_clip, cache_bytes=0) as video:
        backward = list(video.iter_frames(reverse=True))
    assert [index for index, _ in backward] == list(range(len(expected)))[::-1]
    assert same([frame for _, frame in backward][::-1], expected)


def test_jumping_about_gives_the_frames_of_going_forward(any_clip, in_order):
    expected = in_order(any_clip)
    order = list(range(len(expected))) * 2
    random.Random(0).shuffle(order)
    with Video.open(any_clip, cache_bytes=0) as video:
        for index in order:
            assert np.array_equal(video[index], expected[index]), index


def test_going_backward_in_small_parts_gives_the_same_frames(clip, in_order):
    path = clip("open-groups.mp4")
    reader = PyavReader(path, backward_bytes=5 * 60 * 84 * 2)
    assert same(list(reader.iter_backward(3, 38))[::-1], in_order(path)[3:38])


def test_two_passes_and_jumps_do_not_disturb_each_other(clip, in_order):
    path = clip("b-frames.mp4")
    expected = in_order(path)
    with Video.open(path, cache_bytes=0) as video:
        forward, backward = video.iter_frames(), video.iter_frames(reverse=True)
        for step in range(len(expected)):
            index, frame = next(forward)
            assert np.array_equal(frame, expected[index])
            index, frame = next(backward)
            assert np.array_equal(frame, expected[index])
            jump = (step * 17) % len(expected)
            assert np.array_equal(video[jump], expected[jump])


@pytest.mark.parametrize(
    "name", ["b-frames.mp4", "full-range.mp4", "ten-bits.mp4", "odd-jpeg.avi"]
)
def test_pictures_are_the_ones_that_were_written(clip, numbered, name):
    with Video.open(clip(name)) as video:
        for index, frame in video.iter_frames():
            written = numbered(index, video.size)
            assert np.abs(frame[:, :30].astype(int) - written[:, :30]).mean() < 8


def test_part_of_a_video_is_iterated_with_its_own_indices(clip):
    with Video.open(clip("plain.mp4")) as video:
        assert [index for index, _ in video.iter_frames(5, 9)] == [5, 6, 7, 8]
        assert [index for index, _ in video.iter_frames(5, 9, reverse=True)] == [8, 7, 6, 5]
        assert [index for index, _ in video.iter_frames(-2)] == [38, 39]
        assert list(video.iter_frames(9, 5)) == []


def test_read_keeps_the_order_and_repetitions_asked_for(clip, in_order):
    path = clip("b-frames.mp4")
    expected = in_order(path)
    with Video.open(path) as video:
        frames = video.read([30, 2, -1, 2, np.int64(7)])
    assert same(frames, [expected[i] for i in (30, 2, 39, 2, 7)])


@pytest.mark.parametrize("index", [40, 400, -41])
def test_index_outside_the_video_names_the_range(clip, index):
    with Video.open(clip("plain.mp4")) as video, pytest.raises(VideoError) as caught:
        video[index]
    assert "from 0 to 39" in str(caught.value)
    assert caught.value.frame == index


def test_times_follow_a_variable_rate(clip):
    expected = np.array([int(1000 * (i / 10 + (i % 3) / 40)) / 1000 for i in range(40)])
    for name in ("variable-rate.mp4", "variable-rate.mkv"):
        with Video.open(clip(name)) as video:
            np.testing.assert_allclose(video.timestamps, expected, atol=1e-9)
            assert video.time_of(-1) == pytest.approx(expected[-1])
            assert video.fps == pytest.approx(39 / expected[-1])


def test_time_starts_at_the_first_frame_wherever_the_file_starts(clip):
    with Video.open(clip("late-start.mp4")) as video:
        assert video.timestamps[0] == 0
        assert video.fps == 30000 / 1001
        assert video.duration == pytest.approx(40 * 1001 / 30000)


def test_frame_at_a_time_is_the_one_on_show(clip):
    with Video.open(clip("variable-rate.mp4")) as video:
        for index, second in enumerate(video.timestamps):
            assert video.frame_at(second) == index
            assert video.frame_at(second + 0.01) == index
        assert video.frame_at(-1) == 0
        assert video.frame_at(1e9) == 39
        with pytest.raises(VideoError):
            video.frame_at(float("nan"))


def test_given_rate_replaces_the_files(clip):
    with Video.open(clip("variable-rate.mp4"), fps=10) as video:
        np.testing.assert_allclose(video.timestamps, np.arange(40) / 10)
        assert video.fps == 10


def test_going_backward_costs_little_more_than_forward(tmp_path, encoder):
    # One group of 300 frames, which is the worst that encoders make by default.
    path = encoder(
        tmp_path / "long.mp4", num_frames=300, size=(240, 320), options={"g": "300", "bf": "2"}
    )
    frame_bytes = 240 * 320 * 3
    costs = {}
    for reverse in (False, True):
        # As many frames fit as of a 720p video with the bounds of ``Video.open``.
        reader = PyavReader(path, backward_bytes=46 * frame_bytes)
        begin = time.process_time()
        passes = reader.iter_backward(0, 300) if reverse else reader.iter_frames(0, 300)
        assert sum(1 for _ in passes) == 300
        costs[reverse] = time.process_time() - begin
    assert costs[True] <= 3 * costs[False] + 0.1


@pytest.mark.parametrize(
    ("name", "fresh"),
    [
        ("b-frames.mp4", [True] * 4),
        ("matroska.mkv", [True] * 4),
        ("open-groups.mp4", [True, False, False, False]),
        ("open-groups.ts", [True, False, False, False]),
        ("gradual-refresh.ts", [True, False, False]),
        ("vp9.webm", [True, True, True]),
    ],
)
def test_starts_that_nothing_reaches_across_are_told_from_others(clip, name, fresh):
    points = PyavReader(clip(name)).index.seek_points
    assert [point.is_fresh_start for point in points] == fresh


@pytest.mark.parametrize(
    "name", ["b-frames.mp4", "open-groups.mp4", "open-groups.ts", "matroska.mkv", "vp9.webm"]
)
def test_jump_decodes_no_more_than_the_group_it_lands_in(clip, monkeypatch, name):
    decoded = []
    frames_of = pyav.frames_of

    def count(packet):
        frames = frames_of(packet)
        decoded.extend(frames)
        return frames

    with Video.open(clip(name), cache_bytes=0) as video:
        monkeypatch.setattr(pyav, "frames_of", count)
        video[38]
        # A group of up to 16, the frames before it that lean on both, and those held back.
        assert len(decoded) <= 24
