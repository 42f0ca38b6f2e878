"""Folders of pictures, and single ones, as videos."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from videoseg.errors import VideoError
from videoseg.video import Video


def solid(value, size=(6, 8)):
    return Image.new("RGB", size[::-1], (value, value, value))


def test_pictures_come_in_natural_order(tmp_path):
    for index in (10, 2, 1, 100):
        solid(index).save(tmp_path / f"frame{index}.png")
    with Video.open(tmp_path) as video:
        assert [int(frame[0, 0, 0]) for frame in video] == [1, 2, 10, 100]


def test_other_files_are_left_out(tmp_path):
    solid(1).save(tmp_path / "1.png")
    solid(2).save(tmp_path / ".hidden.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "2.png").mkdir()
    with Video.open(tmp_path) as video:
        assert len(video) == 1


def test_folder_name_with_a_dot_is_kept(tmp_path):
    folder = tmp_path / "dog.v2"
    folder.mkdir()
    solid(1).save(folder / "1.png")
    assert Video.open(folder).name == "dog.v2"


def test_pictures_have_a_rate(tmp_path):
    for index in range(4):
        solid(index).save(tmp_path / f"{index}.png")
    with Video.open(tmp_path) as video:
        assert video.fps == 24
    with Video.open(tmp_path, fps=8) as video:
        np.testing.assert_allclose(video.timestamps, [0, 0.125, 0.25, 0.375])
        assert video.duration == 0.5


def test_one_picture_is_a_video_of_one_frame(tmp_path):
    solid(9).save(tmp_path / "one.png")
    with Video.open(tmp_path / "one.png") as video:
        assert len(video) == 1
        assert video.facts().reader == "images"
        assert video[0][0, 0].tolist() == [9, 9, 9]
        assert video.frame_at(3.0) == 0


@pytest.mark.parametrize(
    ("mode", "stored", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (100, 100, 100)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_any_kind_of_picture_becomes_rgb(tmp_path, mode, stored, expected):
    Image.new(mode, (5, 3), stored).save(tmp_path / "picture.png")
    frame = Video.open(tmp_path)[0]
    assert frame.shape == (3, 5, 3)
    assert frame.dtype == np.uint8
    assert tuple(frame[1, 1].tolist()) == expected


def test_palette_becomes_its_colours(tmp_path):
    picture = Image.new("P", (5, 3), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(tmp_path / "palette.png")
    assert Video.open(tmp_path)[0][0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path, suffix):
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep{suffix}")
    assert Video.open(tmp_path)[0][0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_orientation_a_camera_wrote_is_applied(tmp_path, orientation, suffix):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255
    inverse = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    turn = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_270),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    }[inverse]
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn(Image.fromarray(upright)).save(tmp_path / f"photo{suffix}", exif=exif)
    with Video.open(tmp_path) as video:
        assert video.size == (16, 32)
        assert np.abs(video[0].astype(int) - upright).max() < 10


def test_pictures_of_two_sizes_name_the_first_offender(tmp_path):
    for index in range(5):
        solid(index, (6, 8) if index < 3 else (7, 9)).save(tmp_path / f"{index}.png")
    with pytest.raises(VideoError) as caught:
        Video.open(tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "3.png") in message
    assert "9x7" in message
    assert "8x6" in message
    assert caught.value.frame == 3


@pytest.mark.parametrize("content", [b"", b"not a picture at all"])
def test_picture_that_cannot_be_read_is_named(tmp_path, content):
    solid(0).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(content)
    with pytest.raises(VideoError, match=r"1\.png"):
        Video.open(tmp_path)


def test_picture_cut_short_is_found_when_it_is_read(tmp_path, numbered):
    for index in range(2):
        Image.fromarray(numbered(index)).save(tmp_path / f"{index}.png")
    data = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(data[: len(data) // 2])
    with Video.open(tmp_path) as video:
        assert video[0].shape == (60, 84, 3)
        with pytest.raises(VideoError, match=r"1\.png") as caught:
            video[1]
    assert caught.value.frame == 1


def test_picture_that_vanishes_is_named(tmp_path):
    for index in range(2):
        solid(index).save(tmp_path / f"{index}.png")
    with Video.open(tmp_path) as video:
        (tmp_path / "1.png").unlink()
        with pytest.raises(VideoError, match="no such file"):
            video[1]


def test_folder_is_read_after_the_working_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "clip").mkdir()
    solid(5).save(tmp_path / "clip" / "1.png")
    monkeypatch.chdir(tmp_path)
    video = Video.open("clip")
    monkeypatch.chdir(os.sep)
    assert video[0][0, 0, 0] == 5


def test_only_headers_are_read_when_opening(tmp_path, numbered, monkeypatch):
    for index in range(3):
        Image.fromarray(numbered(index)).save(tmp_path / f"{index}.png")
    decoded = []
    load = Image.Image.load
    monkeypatch.setattr(
        "PIL.ImageFile.ImageFile.load", lambda self: decoded.append(self) or load(self)
    )
    Video.open(tmp_path)
    assert decoded == []
