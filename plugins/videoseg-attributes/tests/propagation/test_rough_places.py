"""Rough places help where flow loses an object, and do no harm where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from videoseg_attributes.propagation.flow import FlowPropagator
from videoseg_attributes.propagation.rough_places import RoughPlaces
from videoseg_attributes.propagation.view import View

from videoseg.errors import PropagationError
from videoseg.masks import bounding_box
from videoseg.stages import HeedsPlaces
from videoseg.types import BoolArray, Box, RoughPlace
from videoseg.video import Video

from .clips import BACKGROUND, RED, disc, mask_prompt, overlap, paint


def meeting_twins(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Render two discs that look alike; the second comes up to the first and takes it along."""
    frames, masks = [], []
    for index in range(num_frames):
        frame = BACKGROUND.copy()
        pushed = max(0, index - 4) * 4
        first = (60 - pushed, 60)
        second = (60 + 24 + max(0, 4 - index) * 10 - pushed, 60)
        paint(frame, disc(first), RED, first)
        paint(frame, disc(second), RED, second)
        frames.append(frame)
        masks.append(disc(first) & ~disc(second))
    return np.stack(frames), np.stack(masks)


def propagate(
    frames: np.ndarray, mask: BoolArray, places: Sequence[RoughPlace], **options: bool
) -> list[BoolArray]:
    """Return the masks of one object that is given on the first frame."""
    with FlowPropagator(**options).open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 0, mask))
        for place in places:
            session.heed(place)
        return [found.masks[1] for found in session.run()]


def box_of(mask: BoolArray, frame: int) -> RoughPlace:
    """Return the exact place of a mask."""
    return RoughPlace(1, frame, bounding_box(mask), 0.9)


def test_a_session_of_flow_heeds_places() -> None:
    with FlowPropagator().open(Video.from_frames(np.zeros((2, 8, 8, 3), np.uint8))) as session:
        assert isinstance(session, HeedsPlaces)
    with pytest.raises(PropagationError, match="closed"):
        session.heed(RoughPlace(1, 0, Box(0, 0, 4, 4)))


def test_places_keep_a_mask_from_running_over_what_looks_alike() -> None:
    frames, truth = meeting_twins(9)
    without = propagate(frames, truth[0], ())
    places = [box_of(truth[index], index) for index in range(0, 9, 2)]
    helped = propagate(frames, truth[0], places)
    assert overlap(helped[-1], truth[-1]) > overlap(without[-1], truth[-1]) + 0.1
    assert overlap(helped[-1], truth[-1]) > 0.7


def test_places_of_another_thing_change_nothing() -> None:
    frames, truth = meeting_twins(3)
    elsewhere = [RoughPlace(1, index, Box(2, 2, 40, 12), 1.0) for index in (1, 2)]
    first = box_of(truth[0], 0)
    with_wrong = propagate(frames, truth[0], [first, *elsewhere])
    with_first = propagate(frames, truth[0], [first])
    for one, other in zip(with_wrong, with_first, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_hidden_object_is_searched_where_it_was_seen() -> None:
    def at(place: tuple[float, float] | None) -> np.ndarray:
        frame = BACKGROUND.copy()
        paint(frame, disc(place), RED, place)
        return frame

    frames = np.stack([at((20, 60)), at(None), at(None), at((150, 60)), at((150, 60))])
    lost = propagate(frames, disc((20, 60)), ())
    places = [box_of(disc((20, 60)), 0), *(box_of(disc((150, 60)), index) for index in (3, 4))]
    found = propagate(frames, disc((20, 60)), places)
    assert not lost[-1].any()
    assert overlap(found[-1], disc((150, 60))) > 0.8


def test_places_hold_in_a_view_that_follows() -> None:
    size = (360, 540)
    path = [(60 + 12 * index, 180) for index in range(8)]
    frames = np.stack([cv2.resize(BACKGROUND, size[::-1]) for _ in path])
    truth = np.zeros((len(path), *size), np.uint8)
    for index, (x, y) in enumerate(path):
        cv2.circle(truth[index], (x, y), 14, 1, -1)
        frames[index][truth[index] > 0] = (200, 60, 50)
    places = [box_of(truth[index] > 0, index) for index in range(0, 8, 2)]
    found = propagate(frames, truth[0] > 0, places, follow=True)
    assert overlap(found[-1], truth[-1] > 0) > 0.8


@pytest.mark.parametrize(("left", "counts"), [(22, True), (70, False)])
def test_an_unsure_box_counts_where_its_neighbors_confirm_it(left: int, counts: bool) -> None:
    boxes = {0: (10, 0.9), 2: (left, 0.5), 4: (30, 0.9)}
    places = RoughPlaces(
        [
            RoughPlace(1, frame, Box(x, 20, x + 30, 60), score)
            for frame, (x, score) in boxes.items()
        ],
        View(0, 0, 80, 120),
    )
    area = places.search_area(1, 2, (80, 120))
    assert (area is not None) == counts
    # The score alone is too low for it.
    alone = RoughPlaces(
        [RoughPlace(1, 0, Box(10, 20, 40, 60), 0.9), RoughPlace(1, 2, Box(22, 20, 52, 60), 0.5)],
        View(0, 0, 80, 120),
    )
    assert alone.search_area(1, 2, (80, 120)) is None
