"""Stages small enough to read at a glance, for testing how a pipeline joins them."""

from __future__ import annotations

import numpy as np

from videoseg import Pipeline
from videoseg.errors import PropagationError
from videoseg.types import (
    Box,
    FrameMasks,
    FrameSelection,
    Grounding,
    Look,
    ObjectMask,
    Prompt,
    PropagatorCapabilities,
    Thought,
    Window,
)


class EverySecond:
    """Every second frame; the middle one is the keyframe unless another is asked for."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        middle = (window.start + window.stop - 1) // 2
        return FrameSelection.of(
            range(window.start, window.stop, 2),
            window=window,
            keyframe=middle if keyframe is None else keyframe,
            reason=f"seed {seed}",
        )


class AnswersAt:
    """Looks as often as told, then answers with one box for each (object, frame)."""

    def __init__(self, frames=((1, 0),), looks=()):
        self.frames, self.looks = frames, looks

    def step(self, episode):
        if episode.turn < len(self.looks):
            return self.looks[episode.turn]
        prompts = tuple(
            Prompt(object_id, frame, box=Box(0, 0, 2, 2), label=f"object {object_id}")
            for object_id, frame in self.frames
        )
        return Grounding(prompts[0].frame if prompts else None, prompts, Thought("because"))


class BoxIsMask:
    def segment(self, video, prompts):
        answers = []
        for prompt in prompts:
            mask = np.zeros(video.size, bool)
            box = prompt.box
            mask[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
            answers.append(ObjectMask(mask, 1.0))
        return answers


class Hold:
    """Holds each mask where it is; records what its sessions were asked for."""

    def __init__(self, *, boxes=True, backward=True, max_objects_per_pass=None, fails_at=None):
        self.capabilities = PropagatorCapabilities(
            boxes=boxes, backward=backward, max_objects_per_pass=max_objects_per_pass, live=True
        )
        self.fails_at = fails_at
        self.sessions = []

    def open(self, video, *, seed=0):
        self.sessions.append(HoldSession(self, video))
        return self.sessions[-1]


class HoldSession:
    def __init__(self, propagator, video):
        self.propagator, self.video = propagator, video
        self.prompts, self.closed = [], False

    def prompt(self, prompt):
        self.prompts.append(prompt)

    def run(self, direction="forward", *, stop=None):
        forward = direction == "forward"
        frames = [prompt.frame for prompt in self.prompts]
        start = min(frames) if forward else max(frames)
        source = (
            self.video.iter_frames(start)
            if forward
            else self.video.iter_frames(0, start + 1, reverse=True)
        )
        for index, _ in source:
            if index == self.propagator.fails_at:
                raise PropagationError(f"cannot go on at frame {index}")
            masks = {}
            for prompt in self.prompts:
                if (index >= prompt.frame) if forward else (index <= prompt.frame):
                    mask = np.zeros(self.video.size, bool)
                    # The direction leaves a mark, so that tests see which run counted.
                    mask[prompt.object_id % self.video.size[0], 0 if forward else 1] = True
                    masks[prompt.object_id] = mask
            yield FrameMasks(index, masks, self.video.size)

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def look(start, stop, keyframe=None):
    return Look(Window(start, stop), keyframe, Thought("let me see"))


def pipeline(grounder=None, propagator=None, **more):
    """Return a pipeline of toy stages."""
    return Pipeline(EverySecond(), grounder or AnswersAt(), propagator or Hold(), **more)


def find_capabilities(options):
    """Return the capabilities of a propagator that has options, and nothing without any."""
    return PropagatorCapabilities(boxes=True, masks=False) if options else None
