"""Objects that are given on the command line instead of a query."""

from __future__ import annotations

import click
import numpy as np
import pytest
from PIL import Image

from videoseg.cli.video_options import _parse, make_prompts
from videoseg.errors import ConfigError
from videoseg.types import Box, Point
from videoseg.video import Video


@pytest.fixture
def video():
    return Video.from_frames(np.zeros((10, 24, 32, 3), np.uint8), name="clip")


def prompts(video, *typed):
    return make_prompts([_parse(option, value) for option, value in typed], video)


def test_each_box_is_an_object_and_a_name_is_its_label(video):
    first, second = prompts(video, ("--box", "0:1,2,9,8"), ("--box", "the dog=3:4,4,20.5,20"))
    assert (first.object_id, first.frame, first.box, first.label) == (1, 0, Box(1, 2, 9, 8), "")
    assert (second.object_id, second.frame, second.label) == (2, 3, "the dog")


def test_what_has_the_same_name_is_one_object(video):
    found = prompts(
        video,
        ("--box", "dog=0:1,2,9,8"),
        ("--box", "cat=0:10,2,19,8"),
        ("--point", "dog=0:3,3"),
        ("--negative-point", "dog=0:8,7"),
        ("--point", "dog=5:4,4"),
    )
    assert [(one.object_id, one.frame) for one in found] == [(1, 0), (1, 5), (2, 0)]
    assert found[0].points == (Point(3, 3),) and found[0].negative_points == (Point(8, 7),)


def test_points_without_a_name_are_on_the_only_object(video):
    [alone] = prompts(video, ("--point", "2:3,4"), ("--point", "2:5,6"))
    assert alone.object_id == 1 and alone.points == (Point(3, 4), Point(5, 6))
    [refined] = prompts(video, ("--box", "2:1,1,9,9"), ("--negative-point", "2:3,4"))
    assert refined.box == Box(1, 1, 9, 9) and refined.negative_points == (Point(3, 4),)


def test_a_picture_gives_an_object_for_each_value_and_one_if_it_has_a_name(video, tmp_path):
    ids = np.zeros((24, 32), np.uint8)
    ids[2:5, 2:5], ids[10:15, 10:15] = 7, 9
    path = tmp_path / "ids=1:2.png"
    Image.fromarray(ids).save(path)
    assert [one.mask.area for one in prompts(video, ("--mask", f"1:{path}"))] == [9, 25]
    [one] = prompts(video, ("--mask", f"dog=1:{path}"))
    assert (one.mask.area, one.label, one.frame) == (34, "dog", 1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--box", "0:1,2,3"),
        ("--box", "dog:1,2,3,4"),
        ("--box", "1,2,3,4"),
        ("--point", "0:1,2,3"),
        ("--point", "0:a,b"),
        ("--point", "-1:2,3"),
        ("--mask", "mask.png"),
    ],
)
def test_another_form_is_refused_with_the_right_one(option, value):
    with pytest.raises(click.BadParameter, match=r"\[NAME=\]FRAME:") as caught:
        _parse(option, value)
    assert caught.value.param_hint == option


def test_a_box_without_area_says_what_its_numbers_are():
    with pytest.raises(click.BadParameter, match="X1 < X2"):
        _parse("--box", "0:10,10,5,20")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([("--box", "10:1,1,2,2")], "the frames 0 to 9"),
        ([("--mask", "0:none.png")], "there is no file none.png"),
        ([("--box", "0:1,1,5,5"), ("--box", "0:7,7,9,9"), ("--point", "0:2,2")], "name it"),
        ([("--negative-point", "0:2,2")], "needs a --point, --box or --mask"),
        ([("--box", "a=0:1,1,5,5"), ("--box", "a=0:7,7,9,9")], "two boxes"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(video, typed, words):
    with pytest.raises((click.UsageError, ConfigError), match=words):
        prompts(video, *typed)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((24, 32), np.uint8), "is empty"),
        (np.ones((5, 5), np.uint8), "5x5"),
        (np.ones((24, 32, 3), np.uint8), "has colors"),
    ],
)
def test_a_picture_that_is_no_mask_of_the_frame_is_refused(video, tmp_path, picture, words):
    Image.fromarray(picture).save(tmp_path / "mask.png")
    with pytest.raises(ConfigError, match=words):
        prompts(video, ("--mask", f"0:{tmp_path}/mask.png"))


def test_any_name_is_a_label(video):
    named, point = prompts(video, ("--box", "the points=0:1,1,9,9"), ("--point", "cat=0:20,5"))
    assert (named.label, point.label) == ("the points", "cat")
