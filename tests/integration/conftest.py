"""A clip on disk, and stages that are fast, slow or broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import install_plugin

from videoseg.testing import moving_square
from videoseg.video import write_video

TOY_PLUGIN = '''
    import time
    from pathlib import Path

    import numpy as np
    import videoseg as vs
    from videoseg.types import PropagatorCapabilities

    TAKES = PropagatorCapabilities(boxes=True, points=True, live=True)


    class Center:
        """Answers with the middle of the keyframe; "dog" is a guess, "unicorn" is absent."""

        def step(self, episode):
            height, width = episode.video.size
            box = vs.Box(width / 4, height / 4, 3 * width / 4, 3 * height / 4)
            frame = episode.selection.indices[0]
            thought = vs.Thought("the middle is always a good guess")
            if "unicorn" in episode.query:
                return vs.Grounding(None, thought=thought)
            told = {}
            if "dog" in episode.query:
                warnings = ("'dog' is not known; name a color",)
                told = {"status": "guessed", "unjudged": ("dog",), "warnings": warnings}
            prompts = (vs.Prompt(1, frame, box=box, label="middle"),)
            return vs.Grounding(frame, prompts, thought, **told)


    class Hold:
        """Holds the box where it is; may be slow, or fail on a frame."""

        capabilities = TAKES

        def __init__(self, *, seconds: float = 0.0, fails_at: int = -1, marker: str = ""):
            self.seconds, self.fails_at, self.marker = seconds, fails_at, marker

        def open(self, video, *, seed=0):
            return Session(self, video)


    class Session:
        def __init__(self, propagator, video):
            self.propagator, self.video, self.prompts = propagator, video, []

        def prompt(self, prompt):
            self.prompts.append(prompt)

        def run(self, direction="forward", *, stop=None):
            start = self.prompts[0].frame
            forward = direction == "forward"
            later = (index for index, _ in self.video.iter_frames(start))
            for index in later if forward else range(start, -1, -1):
                if self.propagator.marker:
                    Path(self.propagator.marker).touch()
                time.sleep(self.propagator.seconds)
                if index == self.propagator.fails_at:
                    raise RuntimeError("the weights are made of cheese")
                mask = np.zeros(self.video.size, bool)
                box = self.prompts[0].box
                mask[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
                yield vs.FrameMasks(index, {1: mask}, self.video.size)

        def close(self):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.close()


    def toy():
        return {"sampler": "first", "grounder": "center", "propagator": "hold", "max_turns": 1}


    @vs.hookimpl
    def videoseg_components():
        yield vs.Component("grounder", "center", "toy:Center", summary="The middle.")
        yield vs.Component("propagator", "hold", "toy:Hold", summary="Holds.", capabilities=TAKES)
        yield vs.Component("pipeline", "toy", "toy:toy", summary="For tests.")
        yield vs.Component(
            "sampler", "dreams", "toy:Dreams", requires=("no_such_library",), install="dreams"
        )
'''


@pytest.fixture(scope="session")
def toy_plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a plug-in that offers the pipeline ``toy``."""
    return install_plugin(tmp_path_factory.mktemp("plugins"), "toy", TOY_PLUGIN)


@pytest.fixture(scope="session")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MP4 of twelve frames in which a red square moves."""
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    write_video(path, list(moving_square(12, size=(64, 96)).video), fps=12)
    return path
