"""The detectors of transformers: contracts, parity with its own pipelines, errors."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from videoseg_detectors import ObjectDetector, Sam3Detector, ZeroShotDetector

from videoseg import ConfigError, MissingWeightsError
from videoseg.errors import UnknownNameError
from videoseg.testing import DetectorContract, moving_square, passing_squares

ALL = {"min_score": 0.0, "max_overlap": 1.0, "device": "cpu"}


class _Contract(DetectorContract):
    family: ClassVar = "yolos"
    detector: ClassVar = ObjectDetector

    @pytest.fixture(autouse=True)
    def checkpoint(self, checkpoint_of):
        self.path = checkpoint_of(self.family)

    def make(self):
        return self.detector(model=self.path, min_score=0.1, max_overlap=0.5, device="cpu")


class TestYolos(_Contract):
    names = ("women", "vehicle")


class TestGroundingDino(_Contract):
    family, detector = "grounding-dino", ZeroShotDetector


class TestOwl(_Contract):
    family, detector = "owlv2", ZeroShotDetector


class TestSam3(_Contract):
    family, detector = "sam3-video", Sam3Detector


def rounded(found):
    return sorted(
        (round(one.score, 4), *(int(side) for side in one.box.as_tuple())) for one in found
    )


def of_pipeline(answers, size):
    """Return what a pipeline found as ``rounded`` does, without boxes that have no area."""
    height, width = size
    kept = []
    for answer in answers:
        x1, y1, x2, y2 = (answer["box"][side] for side in ("xmin", "ymin", "xmax", "ymax"))
        corners = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
        kept.append((round(answer["score"], 4), *corners))
    return sorted(kept)


def visible(rows):
    """Leave out rows whose box is not wider and higher than a pixel: the pipeline rounds."""
    return [row for row in rows if row[3] - row[1] > 1 and row[4] - row[2] > 1]


def assert_same(found, answers, size):
    one, other = visible(rounded(found)), visible(of_pipeline(answers, size))
    assert len(one) == len(other) > 0
    np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize("family", ["grounding-dino", "owlv2"])
def test_zero_shot_boxes_are_those_of_the_pipeline(checkpoint_of, family):
    import transformers
    from PIL import Image

    path, frames = checkpoint_of(family), passing_squares().video.read([0, 3])
    processor = transformers.AutoProcessor.from_pretrained(path)
    pipeline = transformers.pipeline(
        "zero-shot-object-detection",
        model=transformers.AutoModelForZeroShotObjectDetection.from_pretrained(path),
        image_processor=processor.image_processor,
        tokenizer=processor.tokenizer,
        device="cpu",
    )
    # The processor of Grounding DINO ends a name with a full stop, the pipeline does not.
    stop = "." if family == "grounding-dino" else ""
    detector = ZeroShotDetector(model=path, **ALL)
    names = ["red square", "car"]
    for frame, found in zip(frames, detector.detect(frames, names), strict=True):
        for name in names:
            answers = pipeline(Image.fromarray(frame), [name + stop], threshold=0.0)
            mine = [one for one in found if one.label == name]
            assert_same(mine, answers, frame.shape[:2])


@pytest.mark.parametrize("family", ["yolos", "rt-detr"])
def test_boxes_of_closed_models_are_those_of_the_pipeline(checkpoint_of, family):
    import transformers
    from PIL import Image

    path, frames = checkpoint_of(family), passing_squares().video.read([0, 3])
    pipeline = transformers.pipeline("object-detection", model=path, device="cpu")
    detector = ObjectDetector(model=path, **ALL)
    names = ["person", "car", "bird"]
    compared = 0
    for frame, found in zip(frames, detector.detect(frames, names), strict=True):
        answers = pipeline(Image.fromarray(frame), threshold=0.0)
        for name in names:
            theirs = [answer for answer in answers if answer["label"] == name]
            if visible(of_pipeline(theirs, frame.shape[:2])):
                mine = [one for one in found if one.label == name]
                assert_same(mine, theirs, frame.shape[:2])
                compared += 1
    assert compared > 0


def test_sam3_finds_what_its_processor_makes_of_one_name_and_one_picture(checkpoint_of):
    import torch
    import transformers
    from PIL import Image

    path = checkpoint_of("sam3")
    network = transformers.Sam3Model.from_pretrained(path).eval()
    processor = transformers.Sam3Processor.from_pretrained(path)
    frames = passing_squares().video.read([0, 3])
    detector = Sam3Detector(model=path, **ALL)
    for frame, found in zip(frames, detector.detect(frames, ["car", "woman"]), strict=True):
        size = frame.shape[:2]
        inputs = processor(images=Image.fromarray(frame), text="woman", return_tensors="pt")
        with torch.inference_mode():
            [answer] = processor.post_process_instance_segmentation(
                network(**inputs), threshold=0.0, target_sizes=[size]
            )
        mine = [one for one in found if one.label == "woman"]
        order = answer["scores"].argsort(descending=True).tolist()
        assert len(mine) == len(order) > 0
        for one, place in zip(mine, order, strict=True):
            assert one.score == pytest.approx(float(answer["scores"][place]), abs=1e-4)
            box = answer["boxes"][place].tolist()
            assert one.box.as_tuple() == pytest.approx(box, abs=1e-2)
            difference = one.mask.decode() ^ answer["masks"][place].bool().numpy()
            assert difference.mean() < 0.01
    [[first, *_]] = Sam3Detector(model=path, masks=False, **ALL).detect(frames[:1], ["car"])
    assert first.mask is None


def test_sam3_tells_its_license_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="License: the SAM License of Meta"):
        Sam3Detector()


def test_the_vocabulary_is_that_of_the_checkpoint(checkpoint_of):
    detector = ObjectDetector(model=checkpoint_of("yolos"), **ALL)
    assert detector.vocabulary == ("person", "car", "bird")
    assert detector.unknown_names(["swan", "camel"]) == ("camel",)
    with pytest.raises(UnknownNameError, match="does not know 'camel'"):
        detector.detect([], ["camel"])


def test_the_name_asked_for_and_the_class_are_both_told(checkpoint_of):
    detector = ObjectDetector(model=checkpoint_of("yolos"), **ALL)
    [found] = detector.detect(moving_square(1).video.read([0]), ["women", "swan", "vehicle"])
    told = {(one.label, one.class_name) for one in found}
    assert told <= {("women", "person"), ("swan", "bird"), ("vehicle", "car")} and told


def test_full_stops_in_a_name_do_not_split_it(checkpoint_of):
    detector = ZeroShotDetector(model=checkpoint_of("grounding-dino"), **ALL)
    frames = moving_square(1).video.read([0])
    [one], [other] = (detector.detect(frames, [name]) for name in ("red. car.", "red car"))
    assert {found.label for found in one} == {"red. car."}
    assert rounded(one) == rounded(other)


def test_an_empty_name_is_no_error(checkpoint_of):
    detector = ZeroShotDetector(model=checkpoint_of("grounding-dino"), **ALL)
    detector.detect(moving_square(1).video.read([0]), ["", "..."])


def test_batches_are_not_larger_than_allowed(checkpoint_of):
    frames = moving_square(5).video.read(range(5))
    detectors = (ObjectDetector(model=checkpoint_of("yolos"), max_batch=n, **ALL) for n in (2, 8))
    few, many = (detector.detect(frames, ["car"]) for detector in detectors)
    assert [rounded(found) for found in few] == [rounded(found) for found in many]


def test_it_can_be_sent_to_another_process(checkpoint_of):
    detector = ObjectDetector(model=checkpoint_of("yolos"), **ALL)
    frames = moving_square(1).video.read([0])
    before = detector.detect(frames, ["car"])
    assert pickle.loads(pickle.dumps(detector)).detect(frames, ["car"]) == before


# -- checkpoints ------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", [ObjectDetector, ZeroShotDetector])
def test_missing_weights_say_how_to_get_them(detector, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="fetch it with: hf download someone/none "):
        detector(model="someone/none")
    with pytest.raises(MissingWeightsError, match=r"there is no folder '\./none'"):
        detector(model="./none")
    with pytest.raises(MissingWeightsError, match="holds no whole checkpoint"):
        detector(model=str(tmp_path))


def test_a_model_of_another_kind_is_refused(checkpoint_of):
    with pytest.raises(ConfigError, match="not one that this detector can use"):
        ZeroShotDetector(model=checkpoint_of("yolos"), **ALL).detect(
            moving_square(1).video.read([0]), ["car"]
        )


@pytest.fixture
def damaged(checkpoint_of, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint_of("yolos"), tmp_path / "copy"))


def test_a_web_page_in_place_of_weights_is_named(damaged):
    (damaged / "model.safetensors").write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(ConfigError, match=r"'model\.safetensors' is a web page"):
        ObjectDetector(model=str(damaged))


def test_half_a_file_of_weights_is_refused(damaged):
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ConfigError, match=r"the model of .* cannot be loaded"):
        ObjectDetector(model=str(damaged), **ALL).detect(moving_square(1).video.read([0]), ["car"])


def test_a_checkpoint_that_lacks_parameters_is_refused(damaged):
    config = json.loads((damaged / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (damaged / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"lacks \d+ parameters"):
        ObjectDetector(model=str(damaged), **ALL).detect(moving_square(1).video.read([0]), ["car"])


@pytest.mark.parametrize("options", [{"min_score": 2}, {"max_batch": 0}, {"device": "moon"}])
def test_options_that_make_no_sense_are_refused(checkpoint_of, options):
    with pytest.raises(ConfigError):
        ObjectDetector(model=checkpoint_of("yolos"), **options)
