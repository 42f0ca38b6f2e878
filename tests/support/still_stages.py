"""Stages that are quick and predictable: squares around clicks, which stand still."""

from __future__ import annotations

import threading

import numpy as np
from videoseg_studio.editing import EditStages

import videoseg as vs
from videoseg.propagation import SessionBase
from videoseg.types import Box, ObjectMask, Prompt, PropagatorCapabilities

SIZE = (40, 60)
RADIUS = 4


def make_video(num_frames=12):
    """Return a gray video whose frames differ."""
    shades = np.arange(num_frames, dtype=np.uint8) * 10 + 20
    frames = np.broadcast_to(shades[:, None, None, None], (num_frames, *SIZE, 3)).copy()
    return vs.Video.from_frames(frames, fps=10, name="gray")


class Squares:
    """A segmenter: a square around each positive point, or the box."""

    def segment(self, video, prompts):
        answers = []
        for prompt in prompts:
            mask = np.zeros(video.size, dtype=bool)
            if prompt.box is not None:
                x1, y1, x2, y2 = (int(value) for value in prompt.box.as_tuple())
                mask[y1:y2, x1:x2] = True
            for point in prompt.points:
                x, y = int(point.x), int(point.y)
                mask[max(0, y - RADIUS) : y + RADIUS, max(0, x - RADIUS) : x + RADIUS] = True
            answers.append(ObjectMask(mask))
        return answers


class StandStill:
    """A propagator that repeats the last given mask, and notes which frames it visits."""

    capabilities = PropagatorCapabilities(masks=True, corrections=True)

    def __init__(self):
        self.visited = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.fails_at = None

    def open(self, video, *, seed=0):
        return _StandStillSession(video, self)


class _StandStillSession(SessionBase):
    def __init__(self, video, owner):
        super().__init__(video, owner.capabilities)
        self._owner = owner

    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            self._owner.may_go_on.wait(20)
            if index == self._owner.fails_at:
                raise vs.errors.PropagationError("the track is lost")
            self._owner.visited.append(index)
            masks |= self.masks_on(index)
            yield index, dict(masks)


_ONE_BOX = (Prompt(1, 4, box=Box(10, 10, 20, 20), label="the box"),)


class FindsOne:
    """A grounder: one box on frame 4, unless it is told otherwise."""

    def __init__(self, prompts=_ONE_BOX):
        self._prompts = tuple(prompts)

    def step(self, episode):
        keyframe = self._prompts[0].frame if self._prompts else None
        thought = vs.Thought(text="It is <b>there</b>.", spatial="in the <i>middle</i>")
        return vs.Grounding(keyframe, self._prompts, thought=thought)


def make_stages(grounder=None, propagator=None):
    """Return edit stages, and the propagator that notes what it visits."""
    propagator = propagator or StandStill()
    pipeline = vs.Pipeline("middle", grounder or FindsOne(), propagator, segmenter=Squares())
    return EditStages(pipeline), propagator
