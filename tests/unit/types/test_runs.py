"""Run-length encodings are an input like any other: nothing in them is trusted."""

from __future__ import annotations

import copy
import pickle
import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from slow_runs import slow_mask, slow_runs, write_slowly

from videoseg.errors import ConfigError, ShapeError, VideosegError
from videoseg.masks import rle_iou, union_of_rles
from videoseg.types import MaskTrack, Rle
from videoseg.types.runs import read_runs

ALPHABET = [chr(code) for code in range(48, 112)]


def random_mask(rng: np.random.Generator) -> np.ndarray:
    size = tuple(rng.integers(1, 12, 2))
    return rng.random(size) < rng.choice([0.0, 0.05, 0.4, 0.9, 1.0])


def mutated(text: str, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(chance.randint(1, 2)):
        place = chance.randrange(len(letters) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            letters[place:] = []
        elif kind == 1:
            letters[:place] = []
        elif kind == 2:
            letters.insert(place, chance.choice(ALPHABET))
        elif kind == 3:
            letters += chance.choice(["`", "o", "P", "0", "00", "\x00", "é", "\ud800", "~", "?"])
        elif letters:
            place = chance.randrange(len(letters))
            if kind == 4:
                letters[place] = chance.choice(ALPHABET)
            elif kind == 5:
                letters[place] = chr(ord(letters[place]) ^ 1 << chance.randrange(7))
            else:
                del letters[place]
    return "".join(letters)


def test_a_hundred_thousand_damaged_texts_are_refused_or_read_as_a_slow_reader_does() -> None:
    rng, chance = np.random.default_rng(5), random.Random(5)
    masks = [random_mask(rng) for _ in range(500)]
    sources = [(Rle.encode(mask).counts, mask.shape) for mask in masks]
    cases = []
    while len(cases) < 110_000:
        counts, size = chance.choice(sources)
        cases.append((mutated(counts, chance), size))
    runs = read_runs([counts for counts, _ in cases])
    totals = runs.totals().tolist()
    valid = []
    for index, (counts, size) in enumerate(cases):
        expected = slow_runs(counts)
        assert totals[index] == (-1 if expected is None else sum(expected)), counts
        if expected is not None:
            assert runs.of(index).tolist() == expected, counts
            if sum(expected) == size[0] * size[1]:
                valid.append((counts, size))
    assert len(valid) > 500
    for counts, size in valid[:3000]:
        rle, expected_mask = Rle(size, counts), slow_mask(counts, size)
        assert np.array_equal(rle.decode(), expected_mask)
        assert rle.area == expected_mask.sum()
        assert Rle.encode(expected_mask).counts == rle.counts
    for counts, size in cases[:5000]:
        if slow_mask(counts, size) is None:
            with pytest.raises(VideosegError):
                Rle(size, counts)


@given(st.lists(st.integers(0, 2**28) | st.integers(0, 40), min_size=1, max_size=9))
def test_runs_of_any_length_are_read_back(runs: list[int]) -> None:
    assert read_runs([write_slowly(runs)]).of(0).tolist() == runs
    assert read_runs([write_slowly(runs)]).totals()[0] == sum(runs)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 4))
def test_runs_of_no_length_and_padded_numbers_give_the_same_mask(
    runs: list[int], padding: int
) -> None:
    if sum(runs) == 0:
        return
    size = (1, sum(runs)) if len(runs) % 2 else (sum(runs), 1)
    rle = Rle(size, write_slowly(runs, padding=padding))
    expected = slow_mask(write_slowly(runs), size)
    assert rle == Rle.encode(expected)
    assert rle == Rle.from_coco({"size": size, "counts": runs})
    assert np.array_equal(rle.decode(), expected)
    columns, rows = np.nonzero(expected.T)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if rows.size else None
    assert (rle.box and rle.box.as_tuple()) == box
    assert union_of_rles([rle, rle], size=size) == rle
    assert rle_iou(rle, rle) == 1.0


@given(hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_a_mask_is_decoded_as_it_was(mask: np.ndarray) -> None:
    decoded = Rle.encode(mask).decode()
    assert np.array_equal(decoded, mask)
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


@pytest.mark.parametrize(
    "counts",
    ["", "1", "0" * 400, "`", "P" * 30, "o" * 30 + "0", "?", "é", "\ud800", "\x00", b"\xff", b""],
)
@pytest.mark.parametrize("make", [Rle, lambda size, c: Rle.from_coco({"size": size, "counts": c})])
def test_a_text_that_is_no_encoding_is_refused_at_once(make, counts) -> None:
    with pytest.raises(ConfigError, match="RLE"):
        make((10, 12), counts)


RUNS = [32, 3, 7, 3, 7, 3, 65]


@pytest.mark.parametrize(
    "counts", [RUNS, tuple(RUNS), np.array(RUNS), np.array(RUNS, np.uint16), map(int, RUNS)]
)
def test_runs_are_taken_from_any_sequence_of_whole_numbers(counts) -> None:
    if isinstance(counts, map):
        with pytest.raises(ConfigError, match="whole numbers"):
            Rle.from_coco({"size": (10, 12), "counts": counts})
        return
    rle = Rle.from_coco({"size": (10, 12), "counts": counts})
    assert rle.area == 9
    assert rle.decode().sum() == 9


@pytest.mark.parametrize(
    "counts",
    [
        (),
        [],
        [120, 1],
        (119,),
        [121, -1],
        [-1, 121],
        [60.0, 60.0],
        [True] * 120,
        ["120"],
        [[120]],
        [2**64, -(2**64) + 120],
        np.array([60, np.nan, 60]),
        np.array([[120]]),
        {"120": 1},
        120,
        None,
    ],
)
def test_runs_that_are_not_those_of_the_mask_are_refused(counts) -> None:
    with pytest.raises(ConfigError, match="RLE"):
        Rle.from_coco({"size": (10, 12), "counts": counts})


@pytest.mark.parametrize(
    "size",
    [
        *((0, 5), (5, 0), (-4, -5), (4.5, 5), ("4", "5"), (True, 20), (4,), (1, 4, 5), 20, None),
        *("45", (2**15, 2**15), (10**30, 1), {"height": 4}),
    ],
)
def test_a_size_no_mask_can_have_is_refused(size) -> None:
    for make in (
        lambda: Rle(size, "d0"),
        lambda: Rle.from_coco({"size": size, "counts": "d0"}),
        lambda: Rle.from_coco({"size": size, "counts": [20]}),
        lambda: Rle.empty(size),
        lambda: MaskTrack(1, size, ()),
    ):
        with pytest.raises(ConfigError, match=r"height, width|pixels allowed"):
            make()


def test_a_size_may_hold_numbers_of_numpy() -> None:
    rle = Rle(np.array([4, 5]), Rle.empty((4, 5)).counts)
    assert rle == Rle.empty((np.int64(4), 5.0))
    assert [type(number) for number in rle.size] == [int, int]


def test_an_encoding_is_the_same_after_copying_and_pickling() -> None:
    rle = Rle.encode(np.eye(9, dtype=bool))
    for again in (copy.copy(rle), copy.deepcopy(rle), pickle.loads(pickle.dumps(rle))):
        assert again == rle
        assert hash(again) == hash(rle)
        assert np.array_equal(again.decode(), np.eye(9))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        *(((0, 1), np.uint8), ((0, 255), np.uint8), ((0, 1), np.int8), ((0, 1), np.float32)),
        *(((0, 255), np.float64), ((0, 1), np.int64), ((False, True), bool)),
    ],
)
def test_numbers_that_can_only_mean_a_mask_are_encoded(values, dtype) -> None:
    mask = np.zeros((10, 12), dtype)
    mask[...] = values[0]
    mask[2:5, 3:6] = values[1]
    assert Rle.encode(mask).area == 9


@pytest.mark.parametrize(
    "mask",
    [
        np.where(np.eye(6), 7.0, -8.0),
        np.full((6, 6), 0.01),
        np.full((6, 6), np.nan),
        np.where(np.eye(6), np.nan, 0.0),
        np.where(np.eye(6), np.inf, 0.0),
        np.eye(6, dtype=np.uint8) * 2,
        np.eye(6, dtype=np.int8) * -1,
        np.array([[0, 1, 255]]),
        np.array([["a"]]),
        np.array([[None]]),
        np.ones((6, 6), complex),
    ],
)
def test_what_is_no_mask_is_not_encoded(mask) -> None:
    with pytest.raises(ConfigError, match="bool"):
        Rle.encode(mask)


def test_a_mask_without_pixels_is_not_encoded() -> None:
    for shape in ((0, 5), (5, 0), (0, 0), (4,), (1, 4, 5)):
        with pytest.raises(ShapeError):
            Rle.encode(np.zeros(shape, bool))


def test_reading_and_writing_masks_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rle = Rle.encode(np.eye(9, dtype=bool))
        assert rle.decode().sum() == rle.area == 9
        assert rle.box is not None
        assert Rle.from_coco({"size": [9, 9], "counts": [80, 1]}).area == 1
        assert union_of_rles([rle, Rle.empty((9, 9))], size=(9, 9)) == rle
