"""The official protocol of Ref-DAVIS17 merges the objects of an annotator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from videoseg.errors import ShapeError
from videoseg.metrics import merge_objects, merge_scores, protocol_named, score_sample
from videoseg.types import Rle


def slow_merge(scores):
    """Pixel by pixel: the highest score of at least 0.5, the first of equal ones."""
    merged = np.zeros(scores.shape[1:], dtype=int)
    for place in np.ndindex(*merged.shape):
        sure = [score if score >= 0.5 else 0.0 for score in scores[(slice(None), *place)]]
        if max(sure) > 0.1:
            merged[place] = sure.index(max(sure)) + 1
    return merged


@given(hnp.arrays(float, (3, 2, 5), elements={"min_value": 0, "max_value": 1}))
def test_the_surest_object_keeps_the_pixel(scores):
    assert merge_scores(scores).tolist() == slow_merge(scores).tolist()


@settings(deadline=None)
@given(hnp.arrays(bool, (3, 2, 4, 5)))
def test_encoded_objects_merge_as_their_scores_do(masks):
    ids = (7, 3, 5)
    given_masks = {
        key: [Rle.encode(mask) if mask.any() else None for mask in track]
        for key, track in zip(ids, masks, strict=True)
    }
    merged = merge_objects(given_masks)
    assert list(merged) == list(ids)
    for index in range(2):
        expected = merge_scores(masks[:, index].astype(float))
        for place, key in enumerate(ids, start=1):
            rle = merged[key][index]
            found = np.zeros((4, 5), bool) if rle is None else rle.decode()
            assert (found == (expected == place)).all()


def test_merged_objects_of_a_perfect_answer_score_one(moving_squares, encoded):
    truth = {1: encoded(moving_squares(4)), 2: encoded(moving_squares(4, top=20))}
    score = score_sample(
        merge_objects(truth), truth, size=(40, 60), protocol=protocol_named("ref-davis17-official")
    )
    assert score.values["j_and_f"] == 1.0


def test_shapes_that_do_not_fit_are_named():
    mask = Rle.encode(np.eye(3, dtype=bool))
    with pytest.raises(ShapeError):
        merge_scores(np.zeros((3, 3)))
    with pytest.raises(ShapeError):
        merge_objects({1: [mask], 2: [mask, mask]})
    with pytest.raises(ShapeError):
        merge_objects({1: [mask], 2: [Rle.empty((2, 2))]})
    assert merge_objects({}) == {}
