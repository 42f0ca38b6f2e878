"""Encodings of foreign origin are checked without being decoded."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pycocotools import mask as coco

from videoseg.benchmarks import find_rle_problem, read_stated_size
from videoseg.benchmarks.encoded_masks import checked_rle
from videoseg.errors import EvaluationError
from videoseg.types import Rle
from videoseg.types.runs import read_runs


def random_rles(count: int) -> list[tuple[Rle, int]]:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(count):
        size = (int(rng.integers(1, 70)), int(rng.integers(1, 70)))
        # From single pixels to large areas, so that runs of all lengths and signs occur.
        mask = rng.random(size) < rng.choice([0.0, 0.02, 0.3, 0.5, 0.97, 1.0])
        found.append((Rle.encode(mask), size[0] * size[1]))
    return found


def test_runs_of_valid_encodings_fill_their_masks_alone_and_together() -> None:
    rles = random_rles(400)
    texts = [rle.counts.encode() for rle, _ in rles]
    expected = [pixels for _, pixels in rles]
    assert read_runs(texts).totals().tolist() == expected
    assert [int(read_runs([text]).totals()[0]) for text in texts[:50]] == expected[:50]


def test_one_bad_encoding_does_not_spoil_its_neighbours() -> None:
    good = Rle.encode(np.eye(9, dtype=bool)).counts.encode()
    bad = [b"", b"o", b"~~~~", b"\xff\x00", b"oooooooooooo0", b"_" * 5]
    for text in bad:
        totals = read_runs([good, text, good]).totals()
        assert totals[0] == totals[2] == 81
        assert totals[1] != 81, text


def test_a_run_that_overflows_is_refused() -> None:
    # Two runs of more than 2**28 pixels, which pycocotools would write behind its buffer.
    huge = coco.frPyObjects({"size": [4, 4], "counts": [0, 2**28 + 1]}, 4, 4)["counts"]
    assert read_runs([huge]).totals()[0] == -1
    with pytest.raises(EvaluationError, match="RLE"):
        checked_rle({"size": [4, 4], "counts": huge.decode()}, (4, 4), where="masks.json")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"size": [8, 8], "counts": "0"}, "8x8 but the frame is 4x5"),
        ({"size": [4, 5], "counts": "9"}, "add up to 20 pixels, got 9"),
        ({"size": [4, 5], "counts": [21]}, "add up to 20 pixels, got 21"),
        ({"size": [4, 5], "counts": [30, -10]}, "whole numbers from 0"),
        ({"size": [4, 5], "counts": ["20"]}, "whole numbers from 0"),
        ({"size": [4, 5]}, "'size' and 'counts'"),
        ({"size": [4.0, 5], "counts": ""}, "height, width"),
        ({"size": "45", "counts": ""}, "height, width"),
        ({"size": [4, 5], "counts": 20}, "text or a list"),
        ({"size": [4, 5], "counts": ""}, "not a compressed"),
        ("nothing", "null or a COCO RLE"),
        (20, "null or a COCO RLE"),
    ],
)
def test_says_what_is_wrong(value: object, what: str) -> None:
    with pytest.raises(EvaluationError, match=what):
        checked_rle(value, (4, 5), where="masks.json")


def test_a_size_beyond_any_frame_is_refused_even_if_it_is_asked_for() -> None:
    value = {"size": [10**9, 10**9], "counts": "0"}
    assert "larger" in str(find_rle_problem(value, (10**9, 10**9)))


def test_parts_of_one_mask_are_united() -> None:
    first, second = np.zeros((6, 7), bool), np.zeros((6, 7), bool)
    first[1:4, 1:4], second[2:6, 3:6] = True, True
    parts = [Rle.encode(first).to_coco(), Rle.encode(second).to_coco()]
    united = checked_rle(parts, (6, 7), where="masks.json")
    assert united is not None
    assert np.array_equal(united.decode(), first | second)


def test_a_million_encodings_are_checked_in_seconds() -> None:
    text = Rle.encode(np.eye(24, 32, dtype=bool)).counts.encode()
    begin = time.perf_counter()
    for _ in range(10):
        totals = read_runs([text] * 20_000).totals()
    seconds = time.perf_counter() - begin
    assert (totals == 24 * 32).all()
    # 200,000 here; five times as long for a million. Generous, as machines are shared.
    assert seconds < 20, f"{seconds:.1f} s"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"size": [2, 3]}, (2, 3)),
        ({"size": (2, 3)}, (2, 3)),
        ({"size": [2, 3, 4]}, None),
        ({"size": [2, 3.0]}, None),
        ({"size": [True, 3]}, None),
        ({"size": "23"}, None),
        ({}, None),
        ([{"size": [2, 3]}], None),
        (None, None),
    ],
)
def test_the_size_that_an_encoding_states(value: object, size: tuple[int, int] | None) -> None:
    assert read_stated_size(value) == size
