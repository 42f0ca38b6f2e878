import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ShapeError, VideosegError
from videoseg.types import FrameMasks, MaskTrack, Rle

masks = hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30)))


@given(masks)
def test_rle_gives_back_the_mask_its_area_and_its_box(mask):
    rle = Rle.encode(mask)
    assert (rle.decode() == mask).all()
    assert rle.decode().dtype == bool
    assert rle.area == mask.sum()
    if mask.any():
        rows, columns = np.nonzero(mask)
        assert rle.box.as_tuple() == (
            columns.min(),
            rows.min(),
            columns.max() + 1,
            rows.max() + 1,
        )
    else:
        assert rle.box is None


@given(masks)
def test_rle_goes_through_the_coco_mapping(mask):
    rle = Rle.encode(mask)
    assert Rle.from_coco(rle.to_coco()) == rle
    assert Rle.from_coco({**rle.to_coco(), "counts": rle.counts.encode()}) == rle


def test_uncompressed_runs_are_read_column_by_column():
    rle = Rle.from_coco({"size": [2, 2], "counts": [1, 2, 1]})
    assert rle.decode().tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    "data",
    [{}, {"size": [2, 2]}, {"size": [2], "counts": "x"}, {"size": [2, 2], "counts": [1, 2]}],
)
def test_a_mapping_that_is_no_rle_is_refused(data):
    with pytest.raises(VideosegError):
        Rle.from_coco(data)


def test_encoding_a_stack_of_masks_is_refused_with_both_shapes():
    with pytest.raises(ShapeError) as caught:
        Rle.encode(np.zeros((2, 3, 4), bool))
    assert caught.value.actual == (2, 3, 4)


def test_a_track_is_empty_where_the_object_is_not_visible():
    seen = np.eye(4, dtype=bool)
    track = MaskTrack(1, (4, 4), (None, Rle.encode(seen), None))
    assert track.visible_frames == (1,)
    assert track.areas == (0, 4, 0)
    assert (track.dense() == np.stack([seen & False, seen, seen & False])).all()


def test_a_track_refuses_a_mask_of_another_size():
    with pytest.raises(ShapeError):
        MaskTrack(1, (4, 4), (Rle.encode(np.ones((4, 5), bool)),))


def test_the_union_of_a_frame_covers_every_object():
    first, second = np.zeros((2, 3), bool), np.zeros((2, 3), bool)
    first[0, 0] = second[1, 2] = True
    union = FrameMasks(0, {1: first, 2: second}, (2, 3)).union
    assert union.sum() == 2
    assert not FrameMasks(0, {}, (2, 3)).union.any()


@pytest.mark.parametrize(
    "mask",
    [np.zeros((3, 4), bool), np.zeros((4, 5), np.uint8), np.zeros((1, 4, 5), bool), None],
)
def test_a_mask_that_does_not_fit_its_frame_is_refused_at_once(mask):
    with pytest.raises(ShapeError, match="object 2 on frame 7") as caught:
        FrameMasks(7, {1: np.zeros((4, 5), bool), 2: mask}, (4, 5))
    assert "(4, 5), dtype bool" in str(caught.value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_compressed_runs_are_taken_as_any_kind_of_bytes(kind):
    rle = Rle.encode(np.eye(4, dtype=bool))
    data = {"size": [4, 4], "counts": kind(rle.counts.encode("ascii"))}
    assert Rle.from_coco(data) == rle
