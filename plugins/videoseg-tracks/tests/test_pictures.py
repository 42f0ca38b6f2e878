"""Pictures for the chat model: numbers that can be read, things that stay recognizable."""

from __future__ import annotations

import numpy as np
import pytest
from videoseg_tracks import Track, draw_close_view, draw_numbered

from videoseg.masks import object_color
from videoseg.types import Rle

GRAY = (120, 120, 120)


def frame_of(size):
    return np.full((*size, 3), GRAY, np.uint8)


def track_at(number, size, box):
    mask = np.zeros(size, bool)
    x1, y1, x2, y2 = box
    mask[y1:y2, x1:x2] = True
    return Track(number, "dog", {0: Rle.encode(mask)})


def test_a_small_frame_is_enlarged_and_a_large_one_reduced():
    for size in ((60, 80), (1080, 1920)):
        track = track_at(1, size, (10, 10, 40, 40))
        drawn = draw_numbered(frame_of(size), 0, [track], 250_000)
        assert min(drawn.shape[:2]) >= 240
        assert drawn.shape[0] * drawn.shape[1] <= 251_000
        assert abs(drawn.shape[1] / drawn.shape[0] - size[1] / size[0]) < 0.01


def test_the_frame_itself_is_left_alone_and_others_than_the_visible_are_not_drawn():
    size = (240, 320)
    frame = frame_of(size)
    drawn = draw_numbered(frame, 5, [track_at(1, size, (10, 10, 90, 90))], 10**6)
    assert (frame == GRAY).all()
    assert (drawn == GRAY).all()


def test_the_colors_of_a_thing_stay_recognizable():
    size = (240, 320)
    drawn = draw_numbered(frame_of(size), 0, [track_at(1, size, (10, 10, 230, 230))], 10**6)
    inside = drawn[40:60, 40:60].astype(int)
    assert np.abs(inside - GRAY).max() < 25


@pytest.mark.parametrize("count", [2, 12])
def test_numbers_do_not_cover_one_another(count):
    size = (240, 320)
    boxes = [(25 * n, 100, 25 * n + 20, 130) for n in range(count)]
    tracks = [track_at(n + 1, size, box) for n, box in enumerate(boxes)]
    from videoseg_tracks import pictures

    areas = []
    drawn = frame_of(size)
    for track in tracks:
        areas.append(pictures._draw_number(drawn, track.track_id, track.mask(0), areas))
    for index, area in enumerate(areas):
        assert not pictures._touches(area, areas[:index])
        assert 0 <= area[0] < area[2] <= size[1]
        assert 0 <= area[1] < area[3] <= size[0]


def test_a_close_view_shows_the_thing_with_a_margin_and_without_a_fill():
    size = (200, 300)
    frame = frame_of(size)
    mask = np.zeros(size, bool)
    mask[50:90, 100:140] = True
    frame[mask] = (200, 30, 30)
    view = draw_close_view(frame, mask, 3)
    assert max(view.shape[:2]) == 224
    assert (np.abs(view[112, 112].astype(int) - (200, 30, 30)) < 5).all()
    assert (view[2, 2] == GRAY).all()


def test_a_thing_of_one_pixel_keeps_its_number_where_the_picture_is_reduced():
    frame = np.zeros((400, 600, 3), np.uint8)
    for row, column in ((0, 0), (399, 599), (101, 203), (102, 204)):
        mask = np.zeros((400, 600), bool)
        mask[row, column] = True
        track = Track(3, "fly", {0: Rle.encode(mask)})
        drawn = draw_numbered(frame, 0, [track], max_pixels=100 * 150)
        assert drawn.shape[:2] == (100, 150)
        assert (drawn == object_color(3)).all(axis=2).any()
