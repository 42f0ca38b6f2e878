"""Detections of few frames are linked to tracks of things."""

from __future__ import annotations

import numpy as np
import pytest
from videoseg_attributes.grounding.linking import find_sightings, link_sightings

from videoseg.types import Box, Detection

SIZE = (100, 200)
CLASSES = {"dog": {"dog"}, "cat": {"cat"}, "person": {"person"}, "horse": {"horse"}}


def draw(things: list[tuple[Box, tuple[int, int, int]]]) -> np.ndarray:
    frame = np.full((*SIZE, 3), 120, np.uint8)
    for box, color in things:
        frame[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = color
    return frame


def box_at(x: float, y: float = 50, side: float = 20) -> Box:
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def link(found, colors=None):
    """Link detections given for each frame as (box, name, score)."""
    sightings = []
    for row in found:
        things = [(box, (colors or {}).get(name, (200, 30, 30))) for box, name, _ in row]
        detections = [Detection(box, name, score, name) for box, name, score in row]
        sightings.append(find_sightings(draw(things), detections, is_closed=True))
    return link_sightings(range(len(found)), sightings, ["dog"], CLASSES)


def test_a_thing_that_moves_farther_than_its_size_is_one_track() -> None:
    (track,) = link([[(box_at(20 + 30 * i), "dog", 0.8)] for i in range(6)])
    assert track.frames == tuple(range(6))
    assert track.names["dog"] == pytest.approx(0.8)


def test_a_thing_that_is_missed_for_a_while_goes_on() -> None:
    rows = [[(box_at(20 + 5 * i), "dog", 0.8)] if i not in (3, 4) else [] for i in range(8)]
    (track,) = link(rows)
    assert track.frames == (0, 1, 2, 5, 6, 7)


def test_two_things_that_cross_keep_their_colors() -> None:
    colors = {"dog": (20, 20, 20), "cat": (250, 250, 250)}
    rows = [
        [(box_at(20 + 16 * i, 45), "dog", 0.8), (box_at(180 - 16 * i, 55), "cat", 0.8)]
        for i in range(11)
    ]
    tracks = link(rows, colors)
    assert len(tracks) == 2
    assert {track.called for track in tracks} == {"dog", "cat"}
    assert all(len(track.frames) == 11 for track in tracks)


def test_one_thing_by_two_names_is_one_track_of_the_better_name() -> None:
    rows = [[(box_at(50), "dog", 0.8), (box_at(51), "cat", 0.4)] for _ in range(4)]
    (track,) = link(rows)
    assert track.called == "dog"
    assert track.names["dog"] == pytest.approx(0.8)
    assert track.names["cat"] < 0.1


def test_a_rider_and_the_horse_in_nearly_the_same_box_are_two() -> None:
    rows = [[(box_at(50), "horse", 0.8), (box_at(50, 49), "person", 0.7)] for _ in range(4)]
    assert sorted(track.called for track in link(rows)) == ["horse", "person"]


def test_unsure_boxes_go_on_a_track_but_begin_none() -> None:
    rows = [[(box_at(50), "dog", 0.8 if i < 3 else 0.15)] for i in range(6)]
    (track,) = link(rows)
    assert track.frames == tuple(range(6))
    assert not link([[(box_at(50), "dog", 0.15)] for _ in range(6)])


def test_what_shows_on_one_frame_only_counts_half() -> None:
    (track,) = link([[(box_at(50), "dog", 0.8)], [], [], []])
    assert track.names["dog"] == pytest.approx(0.4)


def test_a_weak_second_look_at_a_thing_is_dropped() -> None:
    rows = [
        [(box_at(50, side=40), "dog", 0.9), *([(box_at(46, 46, 16), "cat", 0.3)] if i < 3 else [])]
        for i in range(6)
    ]
    assert [track.called for track in link(rows)] == ["dog"]
