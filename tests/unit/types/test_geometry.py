import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg.errors import ConfigError
from videoseg.types import Box, Point, Window

coordinates = st.floats(-1e4, 1e4, allow_nan=False)
extents = st.floats(0.01, 1e4, allow_nan=False)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), coordinates, coordinates, extents, extents
)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(first, second):
    assert first.iou(second) == pytest.approx(second.iou(first))
    assert 0.0 <= first.iou(second) <= 1.0 + 1e-9


@given(boxes)
def test_a_box_overlaps_itself_wholly_and_holds_its_center(box):
    assert box.iou(box) == pytest.approx(1.0)
    assert box.contains(box.center)


@given(boxes, st.integers(1, 500), st.integers(1, 500))
def test_a_clipped_box_lies_inside_the_frame_or_is_none(box, height, width):
    clipped = box.clipped((height, width))
    if clipped is None:
        assert box.iou(Box(0, 0, width, height)) == pytest.approx(0.0, abs=1e-9)
    else:
        assert 0 <= clipped.x1 < clipped.x2 <= width
        assert 0 <= clipped.y1 < clipped.y2 <= height


@pytest.mark.parametrize(
    "corners", [(5, 0, 5, 3), (5, 0, 4, 3), (0, 3, 1, 3), (0, 0, math.nan, 1)]
)
def test_a_box_without_area_is_refused(corners):
    with pytest.raises(ConfigError):
        Box(*corners)


def test_a_point_must_be_finite():
    with pytest.raises(ConfigError, match="finite"):
        Point(math.inf, 0)


windows = st.builds(
    lambda start, n: Window(start, start + n), st.integers(0, 200), st.integers(1, 200)
)


@given(windows, windows)
def test_a_clamped_window_lies_inside_the_other_and_is_never_empty(window, bounds):
    clamped = window.clamped(bounds)
    assert bounds.start <= clamped.start < clamped.stop <= bounds.stop
    shared = set(window) & set(bounds)
    if shared:
        assert set(clamped) == shared


@given(windows, st.integers(-50, 500))
def test_the_nearest_frame_is_in_the_window(window, frame):
    nearest = window.nearest(frame)
    assert nearest in window
    if frame in window:
        assert nearest == frame


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (4, 2)])
def test_an_empty_or_negative_window_is_refused(start, stop):
    with pytest.raises(ConfigError, match="start < stop"):
        Window(start, stop)
