"""A part of a video is a video."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg.errors import VideoError
from videoseg.types import VideoSource
from videoseg.video import Video

FRAMES = np.zeros((12, 2, 2, 3), np.uint8) + np.arange(12, dtype=np.uint8).reshape(-1, 1, 1, 1)


def values(video):
    return [int(frame[0, 0, 0]) for frame in video]


def test_window_counts_from_its_own_start(clip):
    with Video.open(clip("variable-rate.mp4")) as video:
        view = video.window(10, 30)
        assert isinstance(view, VideoSource)
        assert (len(view), view.offset, view.size, view.name) == (20, 10, video.size, video.name)
        assert np.array_equal(view[0], video[10])
        assert np.array_equal(view[-1], video[29])
        np.testing.assert_allclose(view.timestamps, video.timestamps[10:30] - video.time_of(10))
        assert view.time_of(4) == pytest.approx(video.time_of(14) - video.time_of(10))
        assert view.time_offset == pytest.approx(video.time_of(10))
        assert view.facts().num_frames == 20


def test_window_of_a_window_keeps_its_place_in_the_whole():
    inner = Video.from_frames(FRAMES).window(2, 10).window(3, 6)
    assert values(inner) == [5, 6, 7]
    assert inner.offset == 5


def test_window_shares_what_has_been_decoded(clip):
    with Video.open(clip("plain.mp4")) as video:
        assert video.window(5, 9)[2] is video[7]


def test_closing_a_view_leaves_the_video_open():
    video = Video.from_frames(FRAMES)
    with video.window(1, 3):
        pass
    assert len(video) == 12
    assert values(video[:1]) == [0]


@pytest.mark.parametrize(("start", "stop"), [(-1, 4), (4, 4), (5, 3), (0, 13), (12, None)])
def test_window_outside_the_video_is_refused(start, stop):
    with pytest.raises(VideoError, match="window"):
        Video.from_frames(FRAMES).window(start, stop)


def test_empty_slice_is_refused():
    with pytest.raises(VideoError, match="at least one"):
        Video.from_frames(FRAMES)[5:5]


@given(
    parts=st.lists(st.slices(12).filter(lambda part: part.step != 0), min_size=1, max_size=3),
    reverse=st.booleans(),
)
def test_slices_of_slices_are_those_of_a_list(parts, reverse):
    expected, video = list(range(12)), Video.from_frames(FRAMES, fps=4)
    for part in parts:
        expected = expected[part]
        if not expected:
            with pytest.raises(VideoError):
                video[part]
            return
        video = video[part]
    assert values(video) == expected
    found = list(video.iter_frames(reverse=reverse))
    order = list(enumerate(expected))[:: -1 if reverse else 1]
    assert [(index, int(frame[0, 0, 0])) for index, frame in found] == order
    np.testing.assert_allclose(
        video.timestamps, np.abs(np.array(expected) - expected[0]) / 4, atol=1e-9
    )
    assert [video.time_of(index) for index in range(len(video))] == pytest.approx(
        video.timestamps.tolist()
    )
    assert [video.frame_at(time) for time in video.timestamps] == list(range(len(video)))


def test_slices_of_a_file_are_its_frames(clip):
    with Video.open(clip("b-frames.mp4"), cache_bytes=0) as video:
        whole = list(video)
        for part in (slice(3, 30), slice(None, None, 7), slice(None, None, -1), slice(30, 2, -3)):
            assert all(map(np.array_equal, video[part], whole[part]))


@given(start=st.integers(-15, 15), stop=st.none() | st.integers(-15, 15), reverse=st.booleans())
def test_iteration_over_a_part_follows_slices(start, stop, reverse):
    expected = list(range(12))[start:stop]
    found = [
        index for index, _ in Video.from_frames(FRAMES).iter_frames(start, stop, reverse=reverse)
    ]
    assert found == (expected[::-1] if reverse else expected)
