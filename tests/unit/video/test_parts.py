"""A part of a video: which frames it has, at which size, and what it is a part of."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from videoseg.errors import ConfigError, VideoError
from videoseg.video import Video, write_video
from videoseg.video.part import fitted_size, parse_place


@pytest.fixture
def video():
    """Fifty frames at 10 per second, each of the gray level of its number."""
    frames = np.zeros((50, 36, 64, 3), np.uint8)
    frames += np.arange(50, dtype=np.uint8)[:, None, None, None]
    return Video.from_frames(frames, fps=10, name="levels")


def levels(part):
    return [int(frame[0, 0, 0]) for frame in part]


@pytest.mark.parametrize(
    ("start", "end", "every", "frames"),
    [
        (None, None, 1, range(50)),
        (1, 2, 1, range(10, 20)),
        (1.05, None, 1, range(10, 50)),
        ("0:01", "0:00:02.5", 1, range(10, 25)),
        ("10f", "20f", 1, range(10, 20)),
        ("10 frames", 99, 15, range(10, 50, 15)),
        (4.99, None, 1, range(49, 50)),
        (0.3, 0.4, 1, range(3, 4)),
        ("7f", None, 10**400, range(7, 8)),
    ],
)
def test_places_are_seconds_or_frames_and_the_end_is_not_included(
    video, start, end, every, frames
):
    part = video.part(start, end, every=every)
    assert list(part.part_of_whole.frames) == list(frames)
    assert levels(part) == list(frames) and len(part) == len(frames)
    assert part.whole is video and video.whole is video and video.part_of_whole is None


def test_frames_come_in_any_order_and_backward(video):
    part = video.part("5f", "30f", every=4)
    assert [int(part[index][0, 0, 0]) for index in (-1, 0, 3)] == [29, 5, 17]
    backward = [int(frame[0, 0, 0]) for _, frame in part.iter_frames(1, 5, reverse=True)]
    assert backward == [21, 17, 13, 9]
    assert part.time_of(1) == pytest.approx(0.4) and part.fps == pytest.approx(2.5)


def test_frames_are_scaled_down_but_never_up(video):
    assert video.part(max_side=32)[0].shape == (18, 32, 3)
    assert video.part(max_side=640)[0].shape == (36, 64, 3)
    assert fitted_size((1080, 1920), 480) == (270, 480)


@pytest.mark.parametrize("start", ["abc", "-1", -1, "1:2:3:4", float("nan"), True, [1], "", "5 m"])
def test_what_is_no_place_is_refused_with_both_forms(video, start):
    with pytest.raises(ConfigError, match=r"start must be seconds.*300f"):
        video.part(start)


@pytest.mark.parametrize("value", ["1:02.5", "62.5", "62.5 s", 62.5])
def test_seconds_have_several_spellings(value):
    assert parse_place(value).seconds == 62.5


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (5, None, "start is 5 s, but levels has 50 frames in 5.00 s"),
        ("50f", None, "start is frame 50"),
        (3, 2, "end is not included"),
        (2, 2, "end is not included"),
    ],
)
def test_where_no_frame_lies_is_an_error_that_says_what_there_is(video, start, end, words):
    with pytest.raises(VideoError, match=words):
        video.part(start, end)


def test_a_live_source_has_no_parts():
    frames = iter(np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(VideoError, match="live source"):
        Video.from_iterator(frames, live=True).part(1)


def test_a_slice_of_a_part_is_a_video_of_its_own(video):
    part = video.part("10f", "30f")
    assert part[2:5].part_of_whole is None and levels(part[2:5]) == [12, 13, 14]


def test_a_part_of_a_file_is_sent_with_its_video(tmp_path, video):
    write_video(tmp_path / "levels.mp4", list(video), fps=10)
    with Video.open(tmp_path / "levels.mp4") as opened:
        sent = pickle.loads(pickle.dumps(opened.part("10f", "20f", max_side=32)))
        assert sent.part_of_whole.frames == range(10, 20)
        assert np.array_equal(sent[3], opened.part("13f", max_side=32)[0])
