"""A plug-in that knows the drawn benchmarks by heart, and can be slow, wrong or deadly.

It is a module of the tests, and the source of a plug-in for those that start processes.
"""

from __future__ import annotations

import os
import signal
import time

from drawn_benchmarks import object_mask

import videoseg as vs
from videoseg.types import PropagatorCapabilities

OBJECTS = {"expression 0": (1,), "expression 1": (2,), "expression 2": (1, 2), "expression 3": ()}


class Knows:
    """Answers with the objects that are meant; fails on queries it is told to fail on."""

    def __init__(self, *, fails_on: str = "", dies_on: str = ""):
        self.fails_on, self.dies_on = fails_on, dies_on

    def step(self, episode):
        query = episode.query
        if self.fails_on and self.fails_on == query:
            raise RuntimeError("no idea <b>at all</b>")
        if self.dies_on and self.dies_on == f"{episode.video.name}/{query}":
            os.kill(os.getpid(), signal.SIGKILL)
        frame = 0
        prompts = [
            vs.Prompt(key, frame, box=vs.Box(0, 0, 4, 4)) for key in OBJECTS.get(query, (1,))
        ]
        thought = vs.Thought("known by heart")
        return vs.Grounding(frame if prompts else None, tuple(prompts), thought)


class Draws:
    """Draws the true masks, shifted to the right if told so; takes its time if told so."""

    capabilities = PropagatorCapabilities(boxes=True, points=True, masks=True)

    def __init__(self, *, shift: int = 0, seconds: float = 0.0):
        self.shift, self.seconds = shift, seconds

    def open(self, video, *, seed=0):
        return Session(self, video)


class Session:
    def __init__(self, propagator, video):
        self.propagator, self.video, self.prompts = propagator, video, []

    def prompt(self, prompt):
        self.prompts.append(prompt)

    def run(self, direction="forward", *, stop=None):
        for index in range(len(self.video)) if direction == "forward" else ():
            time.sleep(self.propagator.seconds)
            masks = {}
            for prompt in self.prompts:
                mask = object_mask(self.video.name, prompt.object_id, index, self.video.size)
                moved = mask.copy()
                if shift := self.propagator.shift:
                    moved[:] = False
                    moved[:, shift:] = mask[:, :-shift]
                masks[prompt.object_id] = moved
            yield vs.FrameMasks(index, masks, self.video.size)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def drawn():
    return {"sampler": "first", "grounder": "knows", "propagator": "draws", "max_turns": 1}


@vs.hookimpl
def videoseg_components():
    yield vs.Component("grounder", "knows", "drawn_answers:Knows", summary="Knows.")
    yield vs.Component(
        "propagator",
        "draws",
        "drawn_answers:Draws",
        summary="Draws.",
        capabilities=Draws.capabilities,
    )
    yield vs.Component("pipeline", "drawn", "drawn_answers:drawn", summary="For tests.")
