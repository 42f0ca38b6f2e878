"""Edit lists as they are stored: both versions, odd ones, damaged ones."""

from __future__ import annotations

import random
import struct
from fractions import Fraction

import numpy as np
import pytest
from mp4_boxes import box_at, with_edits

from videoseg.video.edit_list import EditList, Part, Schedule, edit_list_of, schedule_of

TIME_BASE = Fraction(1, 12800)


@pytest.fixture
def edited(tmp_path, encoder):
    edits = [(None, 5), (3, 10), (None, 2), (0, 4)]
    return encoder(tmp_path / "clip.mp4", rate=25, options={"bf": "2"}, edits=edits)


def test_parts_and_pauses_are_read(edited):
    # Two frames of 512 units lie between decoding and showing.
    assert edit_list_of(edited, 1, TIME_BASE) == EditList(
        (Part(Fraction(1, 5), 5 * 512, 10 * 512), Part(Fraction(17, 25), 2 * 512, 4 * 512)),
        is_plain=False,
    )
    assert edit_list_of(edited, 2, TIME_BASE) is None


def test_list_of_the_second_version_is_read(edited):
    expected = edit_list_of(edited, 1, TIME_BASE)
    data = bytearray(edited.read_bytes())
    at, size = box_at(data, "moov", "trak", "edts", "elst")
    count = struct.unpack_from(">I", data, at + 12)[0]
    entries = [struct.unpack_from(">Ii", data, at + 16 + 12 * index) for index in range(count)]
    long = struct.pack(">I4sB3xI", 16 + 20 * count, b"elst", 1, count)
    long += b"".join(struct.pack(">Qqhh", *entry, 1, 0) for entry in entries)
    data[at : at + size] = long
    for path in (("moov",), ("moov", "trak"), ("moov", "trak", "edts")):
        outer, length = box_at(data, *path)
        struct.pack_into(">I", data, outer, length + len(long) - size)
    edited.write_bytes(data)
    assert edit_list_of(edited, 1, TIME_BASE) == expected


@pytest.mark.parametrize("edits", [[(0, 40)], [(None, 5), (0, 40)], [(7, 3)]])
def test_one_part_is_plain(edited, edits):
    edited.write_bytes(with_edits(edited.read_bytes(), edits, rate=25))
    assert edit_list_of(edited, 1, TIME_BASE).is_plain


def test_list_that_changes_the_speed_is_left_alone(edited):
    data = bytearray(edited.read_bytes())
    struct.pack_into(">h", data, data.index(b"elst") + 12 + 12 + 8, 2)
    edited.write_bytes(data)
    assert edit_list_of(edited, 1, TIME_BASE) is None


def test_damage_is_never_an_error(edited):
    data = edited.read_bytes()
    start = box_at(data, "moov")[0]
    generator = random.Random(0)
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(start, len(data))] = generator.randrange(256)
        edited.write_bytes(damaged[: generator.randrange(start, len(data) + 1)])
        edit_list_of(edited, 1, TIME_BASE)


def test_schedule_shows_what_begins_within_a_part():
    pts = np.array([10, 20, 30, 40])
    parts = [Part(Fraction(2), 20, 15), Part(Fraction(4), 10, 11), Part(Fraction(9), 50, 5)]
    schedule = schedule_of(parts, pts, Fraction(1, 10))
    assert isinstance(schedule, Schedule)
    assert schedule.positions == (1, 2, 0, 1)
    np.testing.assert_allclose(schedule.times, [0, 1, 2, 3])
    assert schedule_of(parts[2:], pts, Fraction(1, 10)) is None
