"""What a result says about its times, and about weights that mean nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest
from toy_stages import Hold, pipeline

import videoseg as vs
from videoseg.pipeline.readiness import describe_random_weights
from videoseg.types import PropagatorCapabilities


class SlowToLoad(Hold):
    def __init__(self, *, random_weights: bool = False):
        super().__init__()
        self.random_weights = random_weights
        time.sleep(0.2)


@pytest.fixture
def video():
    return np.zeros((4, 16, 16, 3), np.uint8)


@pytest.fixture
def registry():
    found = vs.Registry(allow=())
    takes = PropagatorCapabilities(boxes=True, live=True)
    found.add("propagator", "slow", SlowToLoad, capabilities=takes)
    return found


def test_the_time_of_loading_is_part_of_the_whole(video, registry):
    result = pipeline(propagator="slow", registry=registry)(video, "it")
    assert result.timings["start"] >= 0.2
    parts = sum(seconds for name, seconds in result.timings.items() if name != "total")
    assert parts <= result.timings["total"] + 1e-3


def test_a_saved_result_counts_its_saving_once(video, tmp_path):
    result = pipeline()(video, "it")
    result.save(tmp_path / "one")
    loaded = vs.Segmentation.load(tmp_path / "one")
    saving = loaded.timings["saving"]
    assert saving > 0
    assert loaded.timings["total"] == pytest.approx(result.timings["total"] + saving)
    assert loaded == result, "times are not compared"
    loaded.save(tmp_path / "two", parts=())
    again = vs.Segmentation.load(tmp_path / "two").timings
    assert again["total"] - again["saving"] == pytest.approx(result.timings["total"])


def test_random_weights_are_warned_of(video, registry):
    trained = pipeline(propagator="slow", registry=registry)
    assert trained(video, "it").warnings == ()
    random = trained.replace(propagator={"random_weights": True})
    [warning] = random(video, "it").warnings
    assert warning.startswith("propagator 'slow' has random weights")


@pytest.mark.parametrize(
    "options", [{"random_weights": "toy"}, {"random_weights": True}, {"checkpoint": "random"}]
)
def test_random_weights_are_found_in_what_a_stage_wraps(options):
    inner = {"name": "sam2", "options": options}
    record = {"propagator": {"name": "on-doubt", "options": {"propagator": inner}}}
    assert describe_random_weights(record) == [
        "propagator 'sam2' has random weights: nothing that it finds means anything"
    ]
    assert describe_random_weights({"sampler": "mine:Sampler", "max_turns": 1}) == []
