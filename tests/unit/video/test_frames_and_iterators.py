"""Videos of arrays and of iterators."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from videoseg.errors import ShapeError, VideoError
from videoseg.types import VideoSource
from videoseg.video import Video, as_video

FRAME_BYTES = 6 * 8 * 3


def stack(num_frames, channels=(3,)):
    frames = np.zeros((num_frames, 6, 8, *channels), np.uint8)
    frames += np.arange(num_frames, dtype=np.uint8).reshape(-1, 1, 1, *[1] * len(channels))
    return frames


def numbers(num_frames):
    for index in range(num_frames):
        yield np.full((6, 8, 3), index % 256, np.uint8)


def value(frame):
    assert frame.shape == (6, 8, 3)
    assert (frame == frame[0, 0, 0]).all()
    return int(frame[0, 0, 0])


def test_frames_in_memory_are_not_copied():
    frames = stack(5)
    video = Video.from_frames(frames, fps=10)
    assert np.shares_memory(video[3], frames)
    assert frames.flags.writeable
    assert isinstance(video, VideoSource)
    assert video.facts().path is None


def test_frames_are_read_only():
    video = Video.from_frames(stack(2))
    with pytest.raises(ValueError, match="read-only"):
        video[0][0, 0] = 1


@pytest.mark.parametrize("channels", [(3,), (4,), (1,), ()])
def test_color_gray_and_alpha_become_rgb(channels):
    assert [value(frame) for frame in Video.from_frames(stack(4, channels))] == [0, 1, 2, 3]
    assert [value(frame) for frame in Video.from_frames(list(stack(4, channels)))] == [0, 1, 2, 3]
    iterator = iter(stack(4, channels))
    assert [value(frame) for frame in Video.from_iterator(iterator)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "shape", [(6,), (6, 8), (2, 6, 8, 2), (2, 6, 8, 5), (1, 2, 6, 8, 3), (2, 0, 8, 3)]
)
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError) as caught:
        Video.from_frames(np.zeros(shape, np.uint8))
    assert "must have shape" in str(caught.value)


def test_frames_of_two_sizes_are_refused():
    frames = [np.zeros((6, 8, 3), np.uint8), np.zeros((6, 9, 3), np.uint8)]
    with pytest.raises(ShapeError, match="frame 1"):
        Video.from_frames(frames)
    with pytest.raises(ShapeError, match="frame 1"):
        list(Video.from_iterator(iter(frames)))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint16, bool])
def test_values_that_are_not_bytes_are_refused(dtype):
    with pytest.raises(VideoError, match="uint8"):
        Video.from_frames(stack(2).astype(dtype))


@pytest.mark.parametrize("frames", [[], np.zeros((0, 6, 8, 3), np.uint8)])
def test_no_frames_are_refused(frames):
    with pytest.raises(VideoError, match="at least one frame"):
        Video.from_frames(frames)
    with pytest.raises(VideoError, match="at least one frame"):
        Video.from_iterator(iter(frames))


def test_iterator_is_consumed_as_far_as_needed():
    taken = itertools.count()
    video = Video.from_iterator(frame for frame in numbers(50) if next(taken) >= 0)
    assert next(taken) == 1
    assert value(video[4]) == 4
    for index, _ in video.iter_frames(0, 8):
        assert next(taken) >= index
    assert "so far" in repr(video)
    assert video.time_of(3) == pytest.approx(3 / 24)
    assert len(video) == 50


@pytest.mark.parametrize("cache_bytes", [0, 7 * FRAME_BYTES, 10**9])
def test_every_frame_of_an_iterator_stays_readable(cache_bytes):
    with Video.from_iterator(numbers(40), fps=5, cache_bytes=cache_bytes) as video:
        assert value(video[30]) == 30
        assert [value(video[index]) for index in (3, 29, 0, 12)] == [3, 29, 0, 12]
        assert [value(frame) for _, frame in video.iter_frames(reverse=True)] == list(range(40))[
            ::-1
        ]
        assert [value(frame) for _, frame in video.iter_frames()] == list(range(40))
        assert value(video[-1]) == 39
        assert video.num_frames == 40
        assert value(video.window(10, 20)[3]) == 13
        assert video.facts().reader == "iterator"


def test_frames_beyond_the_bound_go_to_a_file_that_disappears(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened = []
    import tempfile

    temporary_file = tempfile.TemporaryFile

    def watch(*args, **kwargs):
        opened.append(temporary_file(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr("tempfile.TemporaryFile", watch)
    with Video.from_iterator(numbers(20), cache_bytes=5 * FRAME_BYTES) as video:
        list(video)
        assert opened[0].seek(0, 2) == 15 * FRAME_BYTES
    assert opened[0].closed
    assert list(tmp_path.iterdir()) == []


def test_array_filled_again_for_every_frame_is_copied():
    def reusing():
        frame = np.zeros((6, 8, 3), np.uint8)
        for index in range(5):
            frame[:] = index
            yield frame

    video = Video.from_iterator(reusing())
    assert len(video) == 5
    assert [value(frame) for frame in video] == [0, 1, 2, 3, 4]


def test_iterator_that_fails_says_at_which_frame():
    def failing():
        yield from numbers(3)
        raise RuntimeError("cable pulled out")

    video = Video.from_iterator(failing())
    assert value(video[2]) == 2
    with pytest.raises(VideoError, match=r"frame 3.*cable pulled out"):
        video[3]


def test_iterator_that_ends_early_says_how_many_there_were():
    video = Video.from_iterator(numbers(3))
    with pytest.raises(VideoError, match="after 3 frames"):
        video[3]


def test_closed_iterator_video_says_so():
    video = Video.from_iterator(numbers(3))
    video.close()
    with pytest.raises(VideoError, match="closed"):
        video[0]


def test_live_source_has_no_number_of_frames_until_it_ends():
    video = Video.from_iterator(numbers(30), fps=10, live=True)
    assert video.num_frames is None
    assert video.is_live
    with pytest.raises(VideoError, match="has not ended"):
        len(video)
    with pytest.raises(VideoError, match="has not ended"):
        next(video.iter_frames(reverse=True))
    assert [value(frame) for _, frame in video.iter_frames()] == list(range(30))
    assert video.num_frames == len(video) == 30
    assert video.duration == pytest.approx(3)
    assert not video.is_live


def test_live_source_drops_frames_behind_its_buffer():
    video = Video.from_iterator(numbers(10**9), live=True, cache_bytes=4 * FRAME_BYTES)
    assert value(video[9]) == 9
    assert [value(video[index]) for index in (6, 7, 8, 9)] == [6, 7, 8, 9]
    with pytest.raises(VideoError, match="dropped") as caught:
        video[5]
    assert caught.value.frame == 5
    assert "cache_bytes" in str(caught.value)
    assert "live=False" in str(caught.value)


def test_live_buffer_holds_what_was_asked_for():
    video = Video.from_iterator(numbers(10**9), live=True, live_buffer=20, cache_bytes=0)
    assert value(video[19]) == 19
    assert value(video[0]) == 0


def test_window_of_a_live_source_waits_for_its_frames():
    video = Video.from_iterator(numbers(10**9), live=True)
    beginning = video.window(0, 5)
    assert beginning.num_frames == len(beginning) == 5
    assert [value(frame) for frame in beginning] == [0, 1, 2, 3, 4]
    assert len(video[3:9]) == 6
    with pytest.raises(VideoError, match="window of a live source"):
        video.window(3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize("give", [lambda image: [image], lambda image: iter([image]), lambda i: i])
def test_pillow_images_of_any_mode_show_their_colors(mode, give):
    image = Image.new("RGB", (6, 4), (200, 30, 60)).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    with as_video(give(image)) as video:
        assert np.array_equal(video[0], expected)


def test_pillow_image_alone_is_a_video_of_one_frame():
    image = Image.new("RGB", (6, 4), (200, 30, 60)).quantize(4)
    with Video.from_frames(image) as video:
        assert len(video) == 1
        assert np.array_equal(video[0], np.asarray(image.convert("RGB")))


class OnAnotherDevice:
    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize("value", [OnAnotherDevice(), [OnAnotherDevice()]])
def test_tensor_on_another_device_is_refused_with_a_way_out(value):
    with pytest.raises(VideoError, match=r"give tensor\.detach\(\)\.cpu\(\)"):
        as_video(value)


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
@pytest.mark.parametrize("give", [lambda image: [image], lambda image: iter([image])])
def test_damaged_file_behind_a_pillow_image_is_told(tmp_path, mode, give):
    path = tmp_path / "half.png"
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(VideoError, match="frame 0 cannot be decoded"):
        as_video(give(Image.open(path)))[0]
