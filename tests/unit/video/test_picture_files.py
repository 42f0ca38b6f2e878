"""What the values of a picture file become, and which files are opened at all."""

from __future__ import annotations

import io
import os
import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import videoseg
from videoseg.errors import VideoError
from videoseg.video import Video
from videoseg.video.picture_files import open_picture

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


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


def test_palette_becomes_its_colors(tmp_path):
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
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
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
    options = {"tiffinfo": {0x0112: orientation}} if suffix == ".tif" else {"exif": exif}
    turn(Image.fromarray(upright)).save(tmp_path / f"photo{suffix}", **options)
    with Video.open(tmp_path) as video:
        assert video.size == (16, 32)
        assert np.abs(video[0].astype(int) - upright).max() < 10


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0.0, 0.5, 1.0]], np.float32),
        np.array([[0.0, 127.0, 255.0]], np.float32),
        np.array([[0.0, np.nan, 1.0]], np.float32),
        np.array([[0, 127, 255]], np.int32),
        np.array([[-5, 0, 5]], np.int32),
    ],
    ids=["floats to 1", "floats to 255", "nan", "32 bits", "signed"],
)
def test_values_of_unknown_range_are_refused_when_the_video_is_opened(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "deep.tif")
    for path in (tmp_path, tmp_path / "deep.tif"):
        with pytest.raises(VideoError, match=r"deep\.tif holds .* scale them to 0\.\.255"):
            Video.open(path)


def test_twelve_bits_in_use_of_sixteen_are_pointed_out(tmp_path):
    for name, scale in (("dark", 16), ("whole", 257)):
        values = np.arange(256, dtype=np.uint16).reshape(16, 16) * scale
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    with Video.open(tmp_path / "dark.png") as video:
        assert video.warnings == ()
        assert video[0].max() == 15
        assert "nearly black: its values reach 4080 of 65535" in video.warnings[0]
    with Video.open(tmp_path) as video:
        assert [int(frame.max()) for frame in video] == [15, 255]
        assert video.warnings == ()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_colors_with_nothing_in_their_upper_bits_are_pointed_out(tmp_path, suffix):
    colors = np.arange(16 * 16 * 3, dtype=np.uint16).reshape(16, 16, 3)
    for name, scale in (("dark", 4), ("whole", 85)):
        cv2.imwrite(str(tmp_path / f"{name}{suffix}"), colors * scale)
    with Video.open(tmp_path / f"dark{suffix}") as video:
        assert video[0].max() == 11
        assert "nearly black" in " ".join(video.warnings)
    with Video.open(tmp_path / f"whole{suffix}") as video:
        assert video[0].max() == 254
        assert video.warnings == ()


def test_signed_bytes_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "signed.tif"), np.array([[-5, 0, 5]], np.int8))
    with pytest.raises(VideoError, match="signed whole numbers"):
        Video.open(tmp_path)


def test_sixteen_bits_in_which_nothing_is_white_are_inverted(tmp_path):
    values = np.array([[0, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "inverted.tif", tiffinfo={262: 0})
    assert Video.open(tmp_path / "inverted.tif")[0][0, :, 0].tolist() == [255, 127, 0]


@pytest.mark.parametrize("maximum", [255, 4095, 65535])
def test_gray_maps_are_scaled_to_their_maximum(tmp_path, maximum):
    top = maximum.to_bytes(1 if maximum < 256 else 2, "big")
    (tmp_path / "map.pgm").write_bytes(b"P5 2 1 %d\n" % maximum + bytes(len(top)) + top)
    assert Video.open(tmp_path)[0][0, :, 0].tolist() == [0, 255]


def test_color_space_of_which_no_rgb_can_be_made_is_refused(tmp_path):
    Image.new("LAB", (5, 3)).save(tmp_path / "lab.tif")
    with pytest.raises(VideoError, match="stored as LAB"):
        Video.open(tmp_path)


def test_photo_with_a_second_view_is_one_picture(tmp_path):
    views = [Image.new("RGB", (5, 3), (value, 0, 0)) for value in (200, 20)]
    path = tmp_path / "two.jpg"
    views[0].save(path, format="MPO", save_all=True, append_images=views[1:])
    with Video.open(path) as video:
        assert (len(video), video.warnings) == (1, ())
        assert video[0][0, 0, 0] > 150


@pytest.mark.parametrize("name", ["page.png", "page.tif", "page.jpg"])
def test_postscript_is_not_handed_to_another_program(tmp_path, monkeypatch, name):
    def fail(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", fail)
    monkeypatch.setattr("subprocess.check_call", fail)
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(VideoError, match="none of the formats AVIF"):
        Video.open(tmp_path)
    with pytest.raises(OSError, match="cannot identify"):
        open_picture(POSTSCRIPT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="named pipe"):
        open_picture(tmp_path / "pipe.png")


def test_pictures_are_opened_in_one_place():
    root = Path(videoseg.__file__).parent
    places = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"Image\.open\(|cv2\.imread\(", path.read_text(encoding="utf-8"))
    ]
    assert places == ["video/picture_files.py"]


def test_damaged_tiff_is_refused_whatever_pillow_raises(tmp_path):
    content = io.BytesIO()
    page = Image.new("RGB", (5, 3))
    page.save(content, "TIFF", save_all=True, append_images=[page])
    data = bytearray(content.getvalue())
    # The entry for the width of the second page becomes one for something else.
    kinds = [struct.pack("<HH", 256, kind) for kind in (3, 4)]
    at = next(data.rindex(kind) for kind in kinds if kind in data)
    struct.pack_into("<H", data, at, 255)
    (tmp_path / "damaged.tif").write_bytes(data)
    with pytest.raises(VideoError, match=r"damaged\.tif cannot be read as a picture"):
        Video.open(tmp_path)
