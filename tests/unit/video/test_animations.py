"""Files that hold several pictures: animations and pages."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numbered_clips import picture
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter

from videoseg.errors import VideoError
from videoseg.video import Video

MILLISECONDS = [100, 50, 200, 100, 300]


def moving_square(index):
    """Return a picture of which an animation stores little more than what has moved."""
    frame = np.full((40, 60, 3), 200, np.uint8)
    frame[5:15, index * 10 : index * 10 + 10] = (255, 0, 0)
    return frame


def save(path, frames, **options):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lossless.webp", {"lossless": True}),
        ("replaced.png", {}),
        ("drawn-over.png", {"disposal": 1, "blend": 1}),
        ("wiped.png", {"disposal": 1, "blend": 0}),
    ],
)
def test_animation_is_a_video_of_what_a_viewer_shows(tmp_path, name, options):
    frames = [moving_square(index) for index in range(5)]
    path = save(tmp_path / name, frames, duration=MILLISECONDS, **options)
    with Video.open(path, cache_bytes=0) as video:
        assert (len(video), video.size, video.warnings) == (5, (40, 60), ())
        assert all(map(np.array_equal, video, frames))
        for index in (3, 0, 4, 1):
            assert np.array_equal(video[index], frames[index]), index
        backward = [frame for _, frame in video.iter_frames(reverse=True)]
        assert all(map(np.array_equal, backward, frames[::-1]))
        np.testing.assert_allclose(video.timestamps, [0, 0.1, 0.15, 0.35, 0.45])
        assert np.array_equal(pickle.loads(pickle.dumps(video))[2], frames[2])


def test_picture_for_viewers_that_cannot_animate_is_no_frame(tmp_path):
    frames = [moving_square(index) for index in range(5)]
    path = save(tmp_path / "still.png", frames, default_image=True, duration=MILLISECONDS[:4])
    with Video.open(path) as video:
        assert all(map(np.array_equal, video, frames[1:]))
        np.testing.assert_allclose(video.timestamps, [0, 0.1, 0.15, 0.35])


def test_pictures_shown_for_no_time_get_that_of_browsers(tmp_path):
    path = save(tmp_path / "fast.png", [moving_square(index) for index in range(3)], duration=0)
    np.testing.assert_allclose(Video.open(path).timestamps, [0, 0.1, 0.2])


def test_given_rate_replaces_the_times_of_an_animation(tmp_path):
    frames = [moving_square(index) for index in range(5)]
    path = save(tmp_path / "a.webp", frames, duration=MILLISECONDS)
    np.testing.assert_allclose(Video.open(path, fps=10).timestamps, np.arange(5) / 10)


def test_pages_are_frames(tmp_path):
    frames = [picture(index) for index in range(4)]
    path = save(tmp_path / "pages.tif", frames)
    with Video.open(path, fps=8) as video:
        assert (len(video), video.fps) == (4, 8)
        assert all(map(np.array_equal, video, frames))
        assert np.array_equal(video[1], frames[1])


def test_pages_of_two_sizes_are_refused(tmp_path):
    path = save(tmp_path / "pages.tif", [picture(0), picture(1), picture(2, (30, 42))])
    with pytest.raises(VideoError, match=r"picture 2 of .*is 42x30 .*are 84x60") as caught:
        Video.open(path)
    assert caught.value.frame == 2


@pytest.mark.parametrize("is_first", [True, False])
def test_smaller_copy_among_pages_is_no_frame(tmp_path, is_first):
    pages = [(picture(3), 0), (picture(3, (30, 42)), 1)]
    with AppendingTiffWriter(str(tmp_path / "a.tif"), new=True) as file:
        for page, kind in pages[::-1] if is_first else pages:
            Image.fromarray(page).save(file, "TIFF", tiffinfo={254: kind})
            file.newFrame()
    with Image.open(tmp_path / "a.tif") as stored:
        kinds = []
        for page in range(2):
            stored.seek(page)
            kinds.append(stored.tag_v2.get(254, 0))
    assert kinds == ([1, 0] if is_first else [0, 1])
    for path in (tmp_path / "a.tif", tmp_path):
        with Video.open(path) as video:
            assert (len(video), video.warnings) == (1, ())
            assert np.array_equal(video[0], picture(3))


def test_float_pages_are_refused(tmp_path):
    pages = [np.zeros((4, 5), np.float32), np.ones((4, 5), np.float32)]
    with pytest.raises(VideoError, match="floating-point"):
        Video.open(save(tmp_path / "pages.tif", pages))


def test_file_of_several_pictures_among_the_frames_of_a_folder_is_pointed_out(tmp_path):
    for index in range(2):
        save(tmp_path / f"{index}.tif", [picture(index), picture(index + 10)])
    with Video.open(tmp_path) as video:
        assert all(map(np.array_equal, video, [picture(0), picture(1)]))
        assert "0.tif holds 2 pictures" in " ".join(video.warnings)


def test_animation_cut_short_is_refused(tmp_path):
    frames = [picture(index) for index in range(5)]
    path = save(tmp_path / "a.webp", frames, duration=100)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(VideoError, match=r"a\.webp cannot be read as a picture"):
        Video.open(path)
