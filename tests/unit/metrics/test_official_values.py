"""The values that the official davis2017-evaluation package gave for its published masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from slow_metrics import slow_decay, slow_f, slow_j

from videoseg.metrics import protocol_named, resized_nearest, score_sample
from videoseg.types import Rle

SEQUENCES = ("blackswan", "car-shadow", "dog", "dogs-jump")
SEMI_SUPERVISED = protocol_named("davis-2017-semi-supervised")
UNSUPERVISED = protocol_named("davis-2017-unsupervised")


def read(folder: Path) -> np.ndarray:
    from PIL import Image

    return np.stack([np.array(Image.open(file)) for file in sorted(folder.glob("*.png"))])


def objects_of(pictures: np.ndarray, ids: range) -> dict[int, list[Rle]]:
    return {key: [Rle.encode(picture == key) for picture in pictures] for key in ids}


def official(real_clips: Path, name: str):
    """Return predicted and true objects, the size, and what the official package says."""
    reference = json.loads((real_clips / "results" / "reference_metrics.json").read_text())
    expected = reference["sequences"][name]["semi-supervised/osvos"]["objects"]
    truth = read(real_clips / "davis/Annotations/480p" / name)
    if len(expected) == 1:
        truth = (truth > 127).astype(np.uint8)
    ids = range(1, len(expected) + 1)
    pred = objects_of(read(real_clips / "results/osvos" / name), ids)
    return pred, objects_of(truth, ids), truth.shape[1:], expected


@pytest.mark.parametrize("name", SEQUENCES)
def test_each_frame_equals_the_official_package(real_clips, name):
    from dataclasses import replace

    pred, truth, size, expected = official(real_clips, name)
    rules = replace(SEMI_SUPERVISED, resolution="nearest")
    score = score_sample(pred, truth, size=size, protocol=rules)
    for found, values in zip(score.objects, expected, strict=True):
        assert found.j_per_frame == pytest.approx(values["J_per_frame"], abs=1e-5)
        assert found.f_per_frame == pytest.approx(values["F_per_frame"], abs=1e-5)
        for ours, theirs in (("j", "J_mean"), ("j_recall", "J_recall"), ("j_decay", "J_decay")):
            assert found.values[ours] == pytest.approx(values[theirs], abs=1e-5)
        for ours, theirs in (("f", "F_mean"), ("f_recall", "F_recall"), ("f_decay", "F_decay")):
            assert found.values[ours] == pytest.approx(values[theirs], abs=1e-5)


def test_permuted_ids_are_found_by_the_unsupervised_protocol(real_clips):
    from dataclasses import replace

    pred, truth, size, expected = official(real_clips, "dogs-jump")
    permuted = {7: pred[3], 8: pred[1], 9: pred[2]}
    rules = replace(UNSUPERVISED, resolution="nearest")
    score = score_sample(permuted, truth, size=size, protocol=rules)
    assert [found.predicted_id for found in score.objects] == [8, 9, 7]
    for found, values in zip(score.objects, expected, strict=True):
        # This protocol counts the first and the last frame, too.
        assert found.j_per_frame[1:-1] == pytest.approx(values["J_per_frame"], abs=1e-5)
        assert found.f_per_frame[1:-1] == pytest.approx(values["F_per_frame"], abs=1e-5)


def drawn(moving_squares):
    """A drawn twin of the above: two objects, found late, too large, and partly swapped."""
    truth = np.stack([moving_squares(7), moving_squares(7, top=20, side=13)])
    pred = np.roll(truth, (1, 2), axis=(2, 3))
    pred[0, :3] = False
    pred[1, 5] = pred[0, 5]
    return pred, truth


def encode(masks: np.ndarray, ids: list[int]) -> dict[int, list[Rle]]:
    return {key: [Rle.encode(mask) for mask in each] for key, each in zip(ids, masks, strict=True)}


def test_drawn_objects_equal_the_definitions_semi_supervised(moving_squares):
    pred, truth = drawn(moving_squares)
    score = score_sample(
        encode(pred, [1, 2]), encode(truth, [1, 2]), size=(40, 60), protocol=SEMI_SUPERVISED
    )
    for found, p, t in zip(score.objects, pred, truth, strict=True):
        inner = list(zip(p[1:-1], t[1:-1], strict=True))
        j, f = [slow_j(*frame) for frame in inner], [slow_f(*frame) for frame in inner]
        assert found.j_per_frame == pytest.approx(j, abs=1e-9)
        assert found.f_per_frame == pytest.approx(f, abs=1e-9)
        assert found.values["j_decay"] == pytest.approx(slow_decay(j), abs=1e-9)
        assert found.values["f_decay"] == pytest.approx(slow_decay(f), abs=1e-9)
        assert found.values["f_recall"] == pytest.approx(np.mean(np.array(f) > 0.5), abs=1e-9)


def test_drawn_objects_equal_the_definitions_unsupervised(moving_squares):
    from scipy.optimize import linear_sum_assignment

    pred, truth = drawn(moving_squares)
    proposals = np.concatenate([pred[::-1], truth[:1] & truth[1:], np.roll(truth, 9, axis=3)])
    ids = [3, 1, 4, 5, 9]
    quality = np.array(
        [
            [
                np.mean([slow_j(a, b) + slow_f(a, b) for a, b in zip(p, t, strict=True)]) / 2
                for p in proposals
            ]
            for t in truth
        ]
    )
    rows, columns = linear_sum_assignment(-quality)
    score = score_sample(
        encode(proposals, ids), encode(truth, [1, 2]), size=(40, 60), protocol=UNSUPERVISED
    )
    assert [found.predicted_id for found in score.objects] == [ids[column] for column in columns]
    assert [found.values["j_and_f"] for found in score.objects] == pytest.approx(
        quality[rows, columns], abs=1e-9
    )


@pytest.mark.parametrize("size", [(240, 432), (100, 37), (480, 854), (1000, 3)])
def test_resizing_picks_the_pixels_that_pillow_picks(size):
    from PIL import Image

    mask = np.random.default_rng(0).random((480, 854)) > 0.5
    picture = Image.fromarray(mask.view(np.uint8)).resize(
        (size[1], size[0]), Image.Resampling.NEAREST
    )
    assert (resized_nearest(mask, size) == (np.array(picture) > 0)).all()
