"""The contracts of the plug-in's stages, on detectors and models that need no weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from drawn_tracks import is_round, numbers_shown
from scripted_chat import ScriptedChat
from videoseg_tracks import (
    GivenMasksPropagator,
    TrackAttributesGrounder,
    TrackThenChooseGrounder,
)
from videoseg_tracks.plugin import GIVEN_MASKS

import videoseg as vs
from videoseg.propagation import SessionBase
from videoseg.testing import GrounderContract, PropagatorContract
from videoseg.types import Detection, PropagatorCapabilities, Rle


class Squares:
    """Finds the red or the blue square of the clips of the contract."""

    vocabulary = ("square",)

    def unknown_names(self, names):
        return tuple(name for name in names if name not in ("square", "squares"))

    def detect(self, frames, names):
        return [self._find(frame) if names else [] for frame in frames]

    def _find(self, frame):
        red, _, blue = np.moveaxis(frame.astype(int), -1, 0)
        found = []
        for mask in (red > blue + 60, blue > red + 60):
            rle = Rle.encode(mask)
            if rle.box is not None:
                found.append(Detection(rle.box, "square", 0.9, mask=rle))
        return found


class StandStill:
    capabilities = PropagatorCapabilities(masks=True, corrections=True)

    def open(self, video, *, seed=0):
        return _StandStillSession(video, self.capabilities)


class _StandStillSession(SessionBase):
    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            masks |= self.masks_on(index)
            yield index, dict(masks)


def first_is_right(exchange, _number):
    if not is_round(exchange):
        return '{"names": ["square"]}'
    first, *others = numbers_shown(exchange)
    return json.dumps({"true": [first], "false": others[:-1], "unknown": others[-1:]})


class TestTrackThenChooseGrounder(GrounderContract):
    def make(self):
        return TrackThenChooseGrounder(
            chat=ScriptedChat(first_is_right), detector=Squares(), propagator=StandStill()
        )


class TestTrackAttributesGrounder(GrounderContract):
    def make(self):
        return TrackAttributesGrounder(detector=Squares(), propagator=StandStill())


class TestGivenMasksPropagator(PropagatorContract):
    least_iou = 0
    registered = GIVEN_MASKS

    def make(self):
        return GivenMasksPropagator()


@pytest.mark.parametrize(
    "name",
    ["track-then-choose", "track-then-choose-remote", "track-then-choose-attributes"],
)
def test_pipelines_are_composed_of_parts_that_go_together(name):
    pipe = vs.Pipeline.from_name(name)
    assert "given-masks" in repr(pipe)
    problems = [line for line in str(pipe.explain()).splitlines() if "problem" in line]
    assert not problems


def test_a_detector_or_propagator_of_another_type_is_refused():
    for options in ({"detector": 3}, {"propagator": ["flow"]}, {"detector": {"nam": "yolox"}}):
        with pytest.raises(vs.ConfigError, match=r"must be the name of a (detector|propagator)"):
            TrackAttributesGrounder(**{"detector": Squares(), **options})


@pytest.mark.parametrize("name", ["track-then-choose", "track-then-choose-attributes"])
def test_the_detector_that_is_taken_by_default_is_needed(name):
    registry = vs.default_registry()
    assert [one.name for one in registry.weights("grounder", name)] == ["yolox_nano.onnx"]
    given = {"detector": {"name": "yolox", "options": {"checkpoint": "s"}}}
    assert [one.name for one in registry.weights("grounder", name, given)] == ["yolox_s.onnx"]


@pytest.mark.parametrize(("num_given", "warns"), [(1, True), (2, False)])
def test_empty_frames_behind_one_given_mask_are_told(num_given, warns):
    video = vs.Video.from_frames(np.zeros((4, 8, 8, 3), np.uint8))
    prompts = [
        vs.Prompt(1, frame, mask=Rle.encode(np.eye(8, dtype=bool))) for frame in range(num_given)
    ]
    pipe = vs.Pipeline("uniform", "given", "given-masks")
    result = pipe.propagate(video, prompts)
    assert any("use a propagator that follows it" in text for text in result.warnings) == warns
