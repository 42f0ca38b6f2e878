"""Folders of pictures, and single ones, as videos."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from videoseg.errors import VideoError
from videoseg.video import Video, as_video


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


def test_current_folder_has_its_name(tmp_path, monkeypatch):
    folder = fill(tmp_path / "dog", ["1.png"])
    monkeypatch.chdir(folder)
    assert Video.open(".").name == "dog"


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


def fill(folder, names):
    folder.mkdir()
    for index, name in enumerate(names):
        solid(10 * index).save(folder / name)
    return folder


def refusal(path):
    with pytest.raises(VideoError) as caught:
        Video.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_link_to_nothing_among_the_frames_is_named(tmp_path):
    folder = fill(tmp_path / "frames", ["0.png", "1.png", "2.png"])
    (folder / "1.png").unlink()
    (folder / "1.png").symlink_to("/nowhere/1.png")
    assert "lacks 1 of its 3 pictures: 1.png is a link" in refusal(folder)


def test_folder_of_nothing_but_links_to_nothing_says_so(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}.png").symlink_to(f"/nowhere/{index}.png")
    assert "lacks 3 of its 3 pictures" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_and_device_among_the_frames_are_refused_and_not_waited_for(tmp_path):
    folder = fill(tmp_path / "frames", ["0.png", "2.png"])
    os.mkfifo(folder / "1.png")
    assert "1.png cannot be read as a picture (is a named pipe" in refusal(folder)
    (folder / "1.png").unlink()
    (folder / "1.png").symlink_to("/dev/zero")
    assert "is a device" in refusal(folder)


def test_links_to_pictures_are_pictures(tmp_path):
    folder = fill(tmp_path / "frames", ["0.png"])
    (folder / "1.png").symlink_to(folder / "0.png")
    assert len(Video.open(folder)) == 2


@pytest.mark.parametrize("names", [["0.jpg", "0.png", "1.jpg", "1.png"], ["0.jpg", "0.JPG"]])
def test_two_pictures_of_one_name_are_refused(tmp_path, names):
    message = refusal(fill(tmp_path / "both", names))
    assert "two pictures of one name" in message
    assert "folders of their own" in message


@pytest.mark.parametrize(
    "names", [["0.jpg", "0_mask.png", "1.jpg", "1_mask.png"], ["frame_1.jpg", "mask_0001.png"]]
)
def test_two_pictures_of_one_number_are_pointed_out(tmp_path, names):
    with Video.open(fill(tmp_path / "both", names)) as video:
        assert len(video) == len(names)
        assert "several pictures of one number" in " ".join(video.warnings)


@pytest.mark.parametrize(
    ("names", "has_gap"),
    [
        (["0.png", "1.png", "2.png", "4.png"], True),
        (["f001.png", "f006.png", "f016.png"], True),
        (["0.png", "5.png", "10.png"], False),
        (["9.png", "10.png", "11.png"], False),
        (["a.png", "b.png"], False),
        (["2.png"], False),
        (["1_1.png", "1_2.png", "2_1.png"], False),
        (["1700000000033.png", "1700000000067.png", "1700000000100.png"], False),
    ],
)
def test_gap_in_the_numbers_of_frames_is_pointed_out(tmp_path, names, has_gap):
    with Video.open(fill(tmp_path / "frames", names)) as video:
        assert len(video) == len(names)
        assert any("have gaps" in warning for warning in video.warnings) == has_gap


def test_litter_of_other_systems_is_left_out(tmp_path):
    folder = fill(tmp_path / "frames", ["0.PNG", "1.Png"])
    for name in ("._0.PNG", "Thumbs.db", ".DS_Store"):
        (folder / name).write_bytes(b"litter")
    with Video.open(folder) as video:
        assert (len(video), video.warnings) == (2, ())


def test_folder_of_videos_or_folders_says_which_to_give(tmp_path, clip):
    fill(tmp_path / "camera 2", ["0.png"])
    assert "such as " + str(tmp_path / "camera 2") in refusal(tmp_path)
    (tmp_path / "a.mp4").symlink_to(clip("plain.mp4"))
    assert "such as " + str(tmp_path / "a.mp4") in refusal(tmp_path)


def test_list_of_files_gives_the_frames_in_its_order(tmp_path, monkeypatch):
    folder = fill(tmp_path / "frames", ["0.png", "1.png", "2.png"])
    for paths in ([folder / "2.png", folder / "0.png"], [str(folder / "2.png"), folder / "0.png"]):
        for video in (Video.open(paths, fps=5), as_video(tuple(paths), fps=5)):
            assert [int(frame[0, 0, 0]) for frame in video] == [20, 0]
            assert (video.name, video.path, video.fps) == ("frames", None, 5)
    monkeypatch.chdir(folder)
    video = Video.open(["1.png", "1.png"])
    monkeypatch.chdir(os.sep)
    assert int(video[1][0, 0, 0]) == 10


@pytest.mark.parametrize("make", [list, iter])
def test_list_of_paths_and_pictures_is_refused(tmp_path, make):
    solid(0).save(tmp_path / "0.png")
    with pytest.raises(VideoError, match=r"frame 0 is a path .*list in which all are paths"):
        as_video(make([str(tmp_path / "0.png"), np.zeros((6, 8, 3), np.uint8)]))


def test_list_with_a_file_that_is_missing_names_it(tmp_path):
    solid(0).save(tmp_path / "0.png")
    with pytest.raises(VideoError, match=r"1\.png .*there is no such file"):
        Video.open([tmp_path / "0.png", tmp_path / "1.png"])
    with pytest.raises(VideoError, match="at least one picture"):
        Video.open([])


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        (["00.png", "01.png", "02.png", "03.png", "preview.png"], "preview.png"),
        (["0.png", "1.png", "1 (1).png", "2.png", "3.png"], "1 (1).png"),
        (["cover.png", *(f"f{index}.png" for index in range(9))], "cover.png"),
        (["0.png", "1.png", "2.png"], None),
        (["a.png", "b.png", "c.png", "d.png", "e.png"], None),
        (["f0_a1b2.png", "f1_cc33.png", "f2_9f9f.png", "f3_0a0b.png"], None),
    ],
)
def test_picture_named_unlike_the_frames_is_pointed_out(tmp_path, names, odd):
    with Video.open(fill(tmp_path / "frames", names)) as video:
        assert len(video) == len(names)
        assert ["unlike" in warning for warning in video.warnings] == [True] * (odd is not None)
        assert odd is None or f"the name of {odd} in frames" in video.warnings[0]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["1.png", "10.png", "2.png"], "10.png comes where 2.png would"),
        (["1.png", "0.png", "2.png"], "1.png comes where 0.png would"),
        (["0.png", "1.png", "2.png"], None),
        (["2.png", "1.png", "0.png"], None),
        (["0.png", "1.png", "0.png"], None),
        (["b.png", "a.png", "c.png"], None),
        (["1.png"], None),
    ],
)
def test_list_out_of_the_order_of_its_numbers_is_pointed_out(tmp_path, names, told):
    folder = fill(tmp_path / "frames", sorted(set(names)))
    with Video.open([folder / name for name in names]) as video:
        assert len(video) == len(names)
        assert bool(video.warnings) == (told is not None)
        assert told is None or told in video.warnings[0]


def test_set_of_paths_has_no_order(tmp_path):
    folder = fill(tmp_path / "frames", ["0.png", "1.png"])
    with pytest.raises(VideoError, match=r"give a list, such as sorted\(paths\)"):
        Video.open(set(folder.iterdir()))


def test_array_of_paths_is_a_list_of_them(tmp_path):
    folder = fill(tmp_path / "frames", ["0.png", "1.png"])
    with as_video(np.array([str(path) for path in sorted(folder.iterdir())])) as video:
        assert len(video) == 2
