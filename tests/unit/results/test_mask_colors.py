"""Mask colors stand out from the object and from what is around it."""

import numpy as np
import pytest
from videoseg_synthetic import demo_clip

import videoseg as vs
from videoseg.masks import OBJECT_COLORS, object_color
from videoseg.results import Segmentation, choose_colors
from videoseg.results.overlay import FILL_OPACITY
from videoseg.types import Grounding, MaskTrack, Rle, Trace

SIZE = (60, 80)
YELLOW, GREY, SKY = (240, 220, 60), (120, 120, 120), OBJECT_COLORS[1]


def _result(objects, background=GREY):
    """A result of one still object for each color, side by side."""
    frame = np.full((*SIZE, 3), background, np.uint8)
    tracks = []
    for place, color in enumerate(objects):
        mask = np.zeros(SIZE, bool)
        mask[20:40, 2 + 12 * place : 10 + 12 * place] = True
        frame[mask] = color
        tracks.append(MaskTrack(place + 1, SIZE, (Rle.encode(mask),) * 3))
    video = vs.Video.from_frames(np.stack([frame] * 3), fps=10)
    return Segmentation(
        "them", video.facts(), Grounding(None), Trace(), tuple(tracks), source=video
    ), video


def test_an_object_keeps_its_usual_color_where_that_is_seen():
    result, video = _result([(30, 30, 90)])
    assert choose_colors(result, video) == {1: object_color(1)}


@pytest.mark.parametrize("objects", [[YELLOW], [object_color(1)]])
def test_a_yellow_or_orange_object_is_not_marked_in_orange(objects):
    result, video = _result(objects)
    chosen = choose_colors(result, video)[1]
    assert chosen in OBJECT_COLORS and chosen != object_color(1)
    assert np.abs(np.array(chosen) - objects[0]).max() > 100


def test_what_is_around_counts_too():
    result, video = _result([(30, 30, 30)], background=object_color(1))
    assert choose_colors(result, video)[1] != object_color(1)


@pytest.mark.parametrize("object_id", [1, 2])
def test_the_blue_ball_of_the_demonstration_turns_neither_gray_nor_stays_blue(object_id):
    clip = demo_clip(size=(135, 240), num_frames=6)
    blue = next(track for track in clip.tracks if "blue" in track.label)
    result = Segmentation(
        "it",
        clip.video.facts(),
        Grounding(None),
        Trace(),
        (MaskTrack(object_id, clip.size, blue.masks),),
    )
    color = np.array(choose_colors(result, clip.video)[object_id])
    mask = blue.mask(0)
    ball, ground = clip.frames[0][mask].mean(axis=0), clip.frames[0][~mask].mean(axis=0)
    filled = (1 - FILL_OPACITY) * ball + FILL_OPACITY * color
    assert np.abs(filled - ball).max() > 40, "it looks as if there were no mask"
    assert np.abs(filled - ground).max() > 40, "it looks like the ground"


def test_two_objects_never_share_a_color():
    result, video = _result([YELLOW, YELLOW, SKY, YELLOW, GREY, SKY])
    colors = choose_colors(result, video)
    assert len(set(colors.values())) == 6
    assert colors == choose_colors(result, video)


def test_without_the_video_colors_are_the_usual_ones():
    result, _ = _result([YELLOW, YELLOW])
    assert choose_colors(result, None) == {1: object_color(1), 2: object_color(2)}


def test_the_report_and_the_notebook_use_them():
    result, video = _result([YELLOW])
    color = f"rgb{choose_colors(result, video)[1]}"
    assert color in result._repr_html_()
    assert f"rgb{object_color(1)}" not in result._repr_html_()
