"""Where a grounder saw objects on other frames reaches propagators that heed it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_stages import BoxIsMask, EverySecond

import videoseg as vs
from videoseg.errors import ConfigError
from videoseg.propagation import SessionBase
from videoseg.types import Box, Grounding, PropagatorCapabilities, RoughPlace, from_dict, to_dict

BOX = Box(1, 1, 5, 5)


class Session(SessionBase):
    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            masks |= self.masks_on(index)
            yield index, dict(masks)


class HeedingSession(Session):
    def heed(self, place):
        self.heard.append(place)


class Repeats:
    capabilities = PropagatorCapabilities(live=True)
    session = Session

    def __init__(self, limit=None):
        self.capabilities = replace(self.capabilities, max_objects_per_pass=limit)
        self.heard = []

    def open(self, video, *, seed=0):
        session = self.session(video, self.capabilities)
        session.heard = []
        self.heard.append(session.heard)
        return session


class Heeds(Repeats):
    session = HeedingSession


def answer(*places):
    prompts = (vs.Prompt(1, 3, box=BOX), vs.Prompt(2, 3, box=BOX))
    return Grounding(3, prompts, places=places)


def propagate(propagator, grounding):
    class Answers:
        def step(self, episode):
            return grounding

    video = vs.Video.from_frames(np.zeros((10, 8, 8, 3), np.uint8))
    return vs.Pipeline(EverySecond(), Answers(), propagator, segmenter=BoxIsMask())(video, "it")


def test_each_session_is_told_of_its_own_objects_before_it_runs():
    places = [RoughPlace(1, 0, BOX), RoughPlace(2, 5, BOX, 0.4), RoughPlace(1, 7, BOX)]
    together, apart = Heeds(), Heeds(limit=1)
    propagate(together, answer(*places))
    propagate(apart, answer(*places))
    assert together.heard == [places]
    assert apart.heard == [[places[0], places[2]], [places[1]]]


def test_places_outside_of_frame_or_video_are_left_out_and_boxes_end_at_the_border():
    heeds = Heeds()
    wide = RoughPlace(1, 2, Box(-4, 2, 20, 6))
    places = (RoughPlace(1, 10, BOX), RoughPlace(1, 1, Box(9, 9, 12, 12)), wide)
    propagate(heeds, answer(*places))
    assert heeds.heard == [[replace(wide, box=Box(0, 2, 8, 6))]]


def test_other_propagators_are_not_told():
    assert propagate(Repeats(), answer(RoughPlace(1, 0, BOX))).tracks


def test_places_are_saved_with_the_answer():
    given = answer(RoughPlace(2, 4, BOX, 0.25))
    assert from_dict(Grounding, to_dict(given)).places == given.places


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RoughPlace(0, 1, BOX), "object_id"),
        (lambda: RoughPlace(1, -1, BOX), "frame"),
        (lambda: RoughPlace(1, 1, (1, 1, 5, 5)), "must be a Box"),
        (lambda: RoughPlace(1, 1, BOX, 1.5), r"within 0\.\.1, got 1.5"),
        (lambda: Grounding(None, places=(BOX,)), "sequence of RoughPlace"),
        (
            lambda: answer(RoughPlace(1, 2, BOX), RoughPlace(1, 2, BOX, 0.3)),
            "two places on frame 2",
        ),
    ],
)
def test_what_is_no_place_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
