"""Protocols that follow a released script, from the files of a benchmark to the number."""

from __future__ import annotations

import json

import numpy as np
import pytest
from drawn_benchmarks import (
    FRAMES,
    SIZE,
    VIDEOS,
    ids_picture,
    mask_dict,
    object_mask,
    write_ids,
    write_json,
    write_mask,
)
from PIL import Image

from videoseg.benchmarks import open_benchmark
from videoseg.errors import EvaluationError
from videoseg.evaluation import score_predictions
from videoseg.metrics import protocol_named
from videoseg.types import Rle

OFFICIAL = protocol_named("ref-davis17-official")


def answer_everything(split, folder, names=lambda _video: FRAMES):
    """Write the right mask of every expression."""
    for sample in split.samples:
        truth = split.truth(sample)
        for place, frame in enumerate(truth.frames):
            rles = [track[place] for track in truth.objects.values() if track[place] is not None]
            mask = np.any([rle.decode() for rle in rles], axis=0) if rles else np.zeros(SIZE, bool)
            write_mask(folder / sample.id / f"{names(sample.video_id)[frame]}.png", mask)
    return folder


def annotate(root, video, object_id, frames):
    """Draw one more object, which no expression describes."""
    for index in frames:
        path = root / "valid/Annotations" / video / f"{FRAMES[index]}.png"
        picture = np.asarray(Image.open(path)).copy()
        picture[22:24, 2 * object_id : 2 * object_id + 3] = object_id
        write_ids(path, picture)


# -- Ref-DAVIS17 -------------------------------------------------------------------------


@pytest.fixture
def davis(drawn, tmp_path):
    split = drawn("ref-davis17")
    return (
        split,
        answer_everything(split, tmp_path / "theirs"),
        tmp_path / "benchmarks/ref-davis17",
    )


def test_objects_that_nobody_described_count_if_the_first_frame_shows_them(davis):
    split, theirs, root = davis
    annotate(root, "bear", 3, range(6))
    annotate(root, "bear", 4, range(6))
    report = score_predictions(split, theirs, protocol=OFFICIAL)
    # Four objects of bear and two of cart, of which two of bear are not found.
    assert report.overall["j"] == pytest.approx(4 / 6)


def test_an_id_left_out_of_the_first_frame_is_an_object_that_is_never_there(davis):
    split, theirs, root = davis
    annotate(root, "bear", 4, range(6))
    report = score_predictions(split, theirs, protocol=OFFICIAL)
    # Of four objects of bear two are found, one is found by finding nothing, one is not.
    assert report.overall["j"] == pytest.approx(5 / 6)


def test_objects_that_appear_later_do_not_count(davis):
    split, theirs, root = davis
    annotate(root, "bear", 3, range(1, 6))
    assert score_predictions(split, theirs, protocol=OFFICIAL).overall["j_and_f"] == 1.0


def test_a_described_object_that_is_absent_from_the_first_frame_does_not_count(davis):
    split, theirs, root = davis
    path = root / "valid/Annotations/cart" / f"{FRAMES[0]}.png"
    only_first = ids_picture("cart", 0)
    only_first[only_first == 2] = 0
    write_ids(path, only_first)
    report = score_predictions(split, theirs, protocol=OFFICIAL)
    assert [len(row.values) > 0 for row in report.samples] == [True] * 8
    # bear has two objects and cart one; 2 of cart is predicted on frame 0 and not needed.
    assert report.overall["j_and_f"] == 1.0


def test_masks_by_expression_do_not_tell_the_objects_of_a_video(drawn, tmp_path):
    split = drawn("ref-davis17-pickle")
    theirs = tmp_path / "theirs"
    write_mask(theirs / "bear" / "0" / f"{FRAMES[0]}.png", object_mask("bear", 1, 0))
    with pytest.raises(EvaluationError, match=r"needs 4 for each object|pictures of object ids"):
        score_predictions(split, theirs, protocol=OFFICIAL)


def test_what_cannot_be_used_of_an_expression_costs_its_annotator(davis):
    split, theirs, _ = davis
    (theirs / "bear" / "1" / f"{FRAMES[0]}.png").write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match="bear/annotator-1"):
        score_predictions(split, theirs, protocol=OFFICIAL)
    report = score_predictions(split, theirs, protocol=OFFICIAL, on_error="zero")
    assert report.overall["j"] == 1 - 1 / 8


# -- ReVOS -------------------------------------------------------------------------------


@pytest.fixture
def revos(drawn, tmp_path):
    """Return a drawn ReVOS whose second object covers a part of the first."""
    drawn("revos")
    root = tmp_path / "benchmarks/revos"
    masks = mask_dict()
    for place, video in enumerate(VIDEOS):
        track = []
        for index in range(len(FRAMES)):
            mask = object_mask(video, 2, index)
            mask[4:9] |= object_mask(video, 1, index)[4:9]
            track.append(Rle.encode(mask).to_coco())
        masks[str(2 * place + 1)] = track
    write_json(root / "mask_dict.json", masks)
    document = json.loads((root / "mask_dict_foreground.json").read_text())
    for place, video in enumerate(VIDEOS):
        parts = zip(masks[str(2 * place)], masks[str(2 * place + 1)], strict=True)
        document[f"source/{video}"]["masks_rle"] = [list(both) for both in parts]
    write_json(root / "mask_dict_foreground.json", document)
    return open_benchmark("revos", root)


@pytest.mark.parametrize("value", [1, 255])
def test_revos_official_takes_pixels_for_what_they_are_written_as(revos, tmp_path, value):
    rng = np.random.default_rng(7)
    accuracies, robustnesses = {0: [], 1: []}, {0: [], 1: []}
    kinds = {"0": 0, "1": 1, "2": 1}
    masks = json.loads((tmp_path / "benchmarks/revos/mask_dict.json").read_text())
    for sample in revos.samples:
        for name in FRAMES:
            near = np.roll(object_mask(sample.video_id.split("/")[1], 1, int(name)), 1, axis=1)
            mask = near & (rng.random(SIZE) < 0.9)
            path = tmp_path / "theirs" / sample.id / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * np.uint8(value)).save(path)
        if sample.expression_id not in kinds:
            continue
        first = 2 * VIDEOS.index(sample.video_id.split("/")[1])
        meant = {"0": [0], "1": [1], "2": [0, 1]}[sample.expression_id]
        per_frame = []
        for index, name in enumerate(FRAMES):
            predicted = np.asarray(Image.open(tmp_path / "theirs" / sample.id / f"{name}.png"))
            every = [
                np.zeros(SIZE, np.uint8) if rle is None else Rle.from_coco(rle).decode()
                for rle in (masks[str(first)][index], masks[str(first + 1)][index])
            ]
            truth = sum((every[one].astype(np.uint8) for one in meant), np.zeros(SIZE, np.uint8))
            wrong = ((np.uint8(1) - truth) * predicted).sum()
            foreground = sum(int(one.sum()) for one in every)
            per_frame.append(
                ((truth == predicted).mean(), max(1 - wrong / (foreground + 1e-6), 0.0))
            )
        kind = kinds[sample.expression_id]
        accuracies[kind].append(np.mean([a for a, _ in per_frame]))
        robustnesses[kind].append(np.mean([r for _, r in per_frame]))
    report = score_predictions(
        revos, tmp_path / "theirs", protocol=protocol_named("revos-official")
    )
    for name, values in (("accuracy", accuracies), ("robustness", robustnesses)):
        expected = np.mean([np.mean(values[kind]) for kind in (0, 1)])
        assert report.overall[name] == pytest.approx(expected, abs=1e-9), name
    told = [problem for problem in report.problems if "have the value 255" in problem]
    assert len(told) == (value == 255)
    usual = score_predictions(revos, tmp_path / "theirs")
    assert usual.overall["j_and_f"] == pytest.approx(report.overall["j_and_f"])
    assert usual.overall["accuracy"] > report.overall["accuracy"]
    assert usual.overall["robustness"] > report.overall["robustness"]


# -- refCOCO -----------------------------------------------------------------------------


def test_refcoco_lisa_drops_what_two_polygons_of_an_object_cover(drawn, tmp_path):
    drawn("refcoco")
    root = tmp_path / "benchmarks/refcoco"
    path = root / "refcoco/instances.json"
    instances = json.loads(path.read_text())
    (region,) = (one for one in instances["annotations"] if one["id"] == 90)
    # Two rectangles of 18 x 12 and 10 x 10 pixels share 5 x 5.
    region["segmentation"] = [[2, 3, 20, 3, 20, 15, 2, 15], [15, 10, 25, 10, 25, 20, 15, 20]]
    write_json(path, instances)
    split = open_benchmark("refcoco", root)
    theirs = answer_everything(split, tmp_path / "theirs", names=split.frame_names)
    assert score_predictions(split, theirs).overall["giou"] == 1.0
    lisa = score_predictions(split, theirs, protocol=protocol_named("refcoco-lisa"))
    for row in lisa.samples:
        right = 1 - 25 / (18 * 12 + 10 * 10 - 25) if row.sample.endswith(("/20", "/21")) else 1.0
        assert row.values["giou"] == pytest.approx(right)
