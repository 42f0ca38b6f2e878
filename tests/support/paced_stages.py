"""A plug-in of stages that do at once, or never, what a query says; for tests with processes."""

from __future__ import annotations

import os
import signal
import time

import videoseg as vs
from videoseg.propagation import SessionBase
from videoseg.types import PropagatorCapabilities


class Paced:
    """Answers with a box; waits, fails or dies first if the query says so."""

    def __init__(self, *, patience: float = 60.0, model: str = ""):
        self.patience = patience

    def step(self, episode):
        query = episode.query
        if query.startswith("wait"):
            time.sleep(self.patience)
        if query.startswith("fail"):
            raise vs.VideoError(f"cannot read {episode.video.path}")
        if query.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        prompt = vs.Prompt(1, 0, box=vs.Box(10, 10, 40, 40), label=query)
        return vs.Grounding(0, (prompt,), vs.Thought(f"asked: {query}"))


class Square:
    """Draws the box in every frame."""

    capabilities = PropagatorCapabilities(boxes=True)

    def open(self, video, *, seed=0):
        return SquareSession(video, self.capabilities)


class SquareSession(SessionBase):
    def propagate(self, frames):
        import numpy as np

        mask = np.zeros(self.video.size, bool)
        mask[10:40, 10:40] = True
        for index, _ in frames:
            yield index, {1: mask}


@vs.hookimpl
def videoseg_components():
    yield vs.Component("grounder", "paced", "paced_stages:Paced")
    yield vs.Component(
        "propagator", "square", "paced_stages:Square", capabilities=Square.capabilities
    )
    yield vs.Component("pipeline", "paced", "paced_stages:paced")


def paced():
    return {"sampler": "uniform", "grounder": "paced", "propagator": "square"}
