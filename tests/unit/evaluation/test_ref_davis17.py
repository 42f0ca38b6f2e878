"""The official protocol of Ref-DAVIS17 merges the objects of each annotator."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_benchmarks import NUM_FRAMES, SIZE
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from videoseg.errors import EvaluationError, ShapeError
from videoseg.evaluation.ref_davis17 import MergedAnnotators, merge_objects
from videoseg.metrics import protocol_named, score_sample
from videoseg.types import Rle

OFFICIAL = protocol_named("ref-davis17-official")


class TrueMasks:
    """Predicts the truth of each expression but some, of which there is no prediction."""

    def __init__(self, split, without=()):
        self.split, self.without = split, without
        self.missing_files: list[str] = []

    def read(self, sample, truth, frame_names):
        return None if sample.expression_id in self.without else self.split.truth(sample).objects


@pytest.fixture
def merged(drawn):
    """Return what merges predictions: the masks of each annotator, and the truth."""

    def merge(*, without=()):
        split = drawn("ref-davis17")
        annotators = MergedAnnotators(split, TrueMasks(split, without), OFFICIAL)
        return {
            sample.id: (annotators.read(sample, truth, ()), truth)
            for sample in annotators.samples
            for truth in [annotators.truth(sample)]
        }

    return merge


def test_each_annotator_has_every_object_of_every_video(merged):
    found = merged()
    assert list(found) == [
        f"{video}/annotator-{annotator}" for video in ("bear", "cart") for annotator in range(4)
    ]
    for masks, truth in found.values():
        assert list(masks) == list(truth.objects) == [1, 2]
        score = score_sample(masks, truth.objects, size=truth.size, protocol=OFFICIAL)
        assert score.values["j_and_f"] == 1.0


def test_an_annotators_missing_expression_is_an_empty_object(merged):
    # Annotator 1 described object 1 in expression 1 and object 2 in expression 5.
    found = merged(without={"5", "2", "6"})
    assert found["bear/annotator-2"][0] is None
    masks = found["bear/annotator-1"][0]
    assert masks[2] == [None] * NUM_FRAMES
    assert masks[1] != [None] * NUM_FRAMES


def test_other_benchmarks_are_refused(drawn):
    split = drawn("mevis")
    with pytest.raises(EvaluationError, match="is for ref-davis17 only, not for mevis"):
        MergedAnnotators(split, TrueMasks(split), OFFICIAL)


def published_merge(masks):
    """Argmax over a background of 0.1 and masks of 0 and 1, as the published conversion does."""
    return np.concatenate([np.full((1, *masks.shape[1:]), 0.1), masks]).argmax(axis=0)


@settings(deadline=None)
@given(hnp.arrays(bool, (3, 2, 4, 5)))
def test_where_objects_overlap_the_first_keeps_the_pixel(masks):
    ids = (7, 3, 5)
    found = merge_objects(
        {
            key: [Rle.encode(mask) if mask.any() else None for mask in track]
            for key, track in zip(ids, masks, strict=True)
        }
    )
    assert list(found) == list(ids)
    for index in range(2):
        expected = published_merge(masks[:, index].astype(float))
        for place, key in enumerate(ids, start=1):
            rle = found[key][index]
            mask = np.zeros((4, 5), bool) if rle is None else rle.decode()
            assert (mask == (expected == place)).all()


def test_shapes_that_do_not_fit_are_named():
    mask = Rle.encode(np.zeros(SIZE, bool))
    with pytest.raises(ShapeError):
        merge_objects({1: [mask], 2: [mask, mask]})
    with pytest.raises(ShapeError):
        merge_objects({1: [mask], 2: [Rle.empty((2, 2))]})
    assert merge_objects({}) == {}
