"""The official protocol of Ref-DAVIS17 merges the objects of each annotator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn_benchmarks import NUM_FRAMES, SIZE

from videoseg.benchmarks import BenchmarkSplit, LoadedSplit, Sample, merge_annotators
from videoseg.errors import EvaluationError
from videoseg.metrics.annotators import merge_objects
from videoseg.metrics.protocols import REF_DAVIS17_OFFICIAL
from videoseg.metrics.scoring import score_sample
from videoseg.types import Rle

Draw = Callable[[str], Path]
Opener = Callable[[str, Path], BenchmarkSplit]


@pytest.fixture
def split(draw: Draw, open_drawn: Opener) -> LoadedSplit:
    found = open_drawn("ref-davis17", draw("ref-davis17"))
    assert isinstance(found, LoadedSplit)
    return found


def right(split: LoadedSplit) -> Callable[[Sample], Sequence[Rle | None]]:
    def predicted(sample: Sample) -> Sequence[Rle | None]:
        truth = split.truth(sample)
        assert truth is not None
        (track,) = truth.objects.values()
        return track

    return predicted


def test_each_annotator_has_every_object_of_every_video(split: LoadedSplit) -> None:
    merged = list(merge_annotators(split, right(split)))
    assert [sample.id for sample, _, _ in merged] == [
        f"{video}/annotator-{annotator}" for video in ("bear", "cart") for annotator in range(4)
    ]
    for sample, masks, truth in merged:
        assert masks is not None
        assert list(masks) == list(truth.objects) == [1, 2]
        score = score_sample(masks, truth.objects, size=truth.size, protocol=REF_DAVIS17_OFFICIAL)
        assert score.values["j_and_f"] == 1.0
        assert sample.group == sample.expression_id


def test_an_annotators_missing_expression_is_an_empty_object(split: LoadedSplit) -> None:
    def only_first(sample: Sample) -> Sequence[Rle | None] | None:
        # Annotator 1 described object 1 in expression 1 and object 2 in expression 5.
        return None if sample.expression_id in {"5", "2", "6"} else right(split)(sample)

    found = {sample.id: masks for sample, masks, _ in merge_annotators(split, only_first)}
    assert found["bear/annotator-2"] is None
    masks = found["bear/annotator-1"]
    assert masks is not None
    assert masks[2] == (None,) * NUM_FRAMES
    assert masks[1] != (None,) * NUM_FRAMES


def test_where_objects_overlap_the_first_keeps_the_pixel() -> None:
    first, second = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    first[2:8, 2:8], second[5:12, 5:12] = True, True
    tracks: dict[int, Sequence[Rle | None]] = {
        1: [Rle.encode(first), None],
        2: [Rle.encode(second), Rle.encode(second)],
    }
    merged = merge_objects(tracks)
    # As an argmax over a background of 0.1 and masks of 0 and 1 has it.
    stack = np.stack([np.full(SIZE, 0.1), first.astype(float), second.astype(float)])
    labels = np.argmax(stack, axis=0)
    for object_id in (1, 2):
        rle = merged[object_id][0]
        assert rle is not None
        assert np.array_equal(rle.decode(), labels == object_id)
    assert merged[1][1] is None
    assert merged[2][1] == Rle.encode(second)


def test_other_benchmarks_are_refused(draw: Draw, open_drawn: Opener) -> None:
    other = open_drawn("mevis", draw("mevis"))
    assert isinstance(other, LoadedSplit)
    with pytest.raises(EvaluationError, match="official protocol"):
        list(merge_annotators(other, lambda _sample: None))
