"""A propagator that has the query answered again, and stages that name parts of their time."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, EverySecond

import videoseg as vs
from videoseg.pipeline import timed_part
from videoseg.plugins import StageFinished, StageStarted
from videoseg.progress import ProgressBar
from videoseg.propagation import SessionBase
from videoseg.types import PropagatorCapabilities


class AsksOnFrame7:
    """Repeats the prompted masks, and asks once."""

    capabilities = PropagatorCapabilities(live=True)

    def __init__(self):
        self.answers, self.opened = [], []

    def open(self, video, *, seed=0):
        self.opened.append("plain")
        return Session(video, self.capabilities)

    def open_asking(self, video, *, ask, seed=0):
        self.opened.append("asking")
        session = Session(video, self.capabilities)
        session.ask, session.owner = ask, self
        return session


class Session(SessionBase):
    ask = None
    warnings = ("the session has a warning",)

    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            masks |= self.masks_on(index)
            if self.ask is not None and index == 7 and frames.direction == "forward":
                window = vs.Window(4, 10)
                self.owner.answers.append(self.ask(7, window=window, reason="it is gone"))
            yield index, dict(masks)


@pytest.fixture
def video():
    return vs.Video.from_frames(np.zeros((10, 8, 8, 3), np.uint8))


class Answers(AnswersAt):
    """Answers on the keyframe, slowly."""

    def step(self, episode):
        time.sleep(0.02)
        self.frames = ((1, episode.selection.keyframe),)
        return super().step(episode)


def pipeline(propagator, grounder=None):
    return vs.Pipeline(EverySecond(), grounder or Answers(), propagator, segmenter=BoxIsMask())


def test_sampler_grounder_and_segmenter_answer_again(video):
    propagator = AsksOnFrame7()
    result = pipeline(propagator)(video, "it")
    [answer] = propagator.answers
    assert (answer.keyframe, answer.prompts[0].frame) == (7, 7)
    assert answer.prompts[0].mask is not None
    first, second = result.trace.turns
    assert (first.answer_keyframe, second.answer_keyframe) == (4, 7)
    assert second.selection.reason == "Asked again on frame 7: it is gone. seed 1"
    assert second.selection.window == vs.Window(4, 10)
    assert result.grounding.keyframe == 4
    assert "the session has a warning" in result.warnings


def test_the_time_of_asking_counts_for_the_stages_that_answer(video):
    class Sleeps(Session):
        def propagate(self, frames):
            for index, masks in super().propagate(frames):
                time.sleep(0.005)
                yield index, masks

    class Propagator(AsksOnFrame7):
        def open_asking(self, video, *, ask, seed=0):
            session = Sleeps(video, self.capabilities)
            session.ask, session.owner = ask, self
            return session

    timings = dict(pipeline(Propagator())(video, "it").timings)
    assert timings["grounder"] >= 0.04
    assert timings["propagator"] >= 0.03
    assert sum(timings.values()) - timings["total"] <= timings["total"]


def test_a_stream_asks_too_and_has_the_turns_in_its_trace(video):
    propagator = AsksOnFrame7()
    with pipeline(propagator).stream(video, "it") as stream:
        frames = [masks.frame for masks in stream]
    assert frames == list(range(10))
    assert len(stream.trace.turns) == 2


def test_without_a_query_or_an_end_it_is_opened_plainly(video):
    propagator = AsksOnFrame7()
    prompt = vs.Prompt(1, 2, box=vs.Box(0, 0, 4, 4))
    pipeline(propagator).propagate(video, prompt)
    list(pipeline(propagator).stream(iter(video.read(range(10))), "it", warmup_frames=6))
    assert set(propagator.opened) == {"plain"}
    pipeline(propagator).propagate(video, prompt, query="it")
    assert propagator.opened[-1] == "asking"


def test_parts_of_a_stage_have_their_own_time(video):
    class Checks(Answers):
        def step(self, episode):
            with timed_part("check"):
                time.sleep(0.02)
            return super().step(episode)

    result = pipeline(AsksOnFrame7(), Checks())(video, "it")
    assert result.timings["check"] >= 0.04
    assert sum(result.timings.values()) - result.timings["total"] <= result.timings["total"]
    # A turn of the trace took all of it.
    assert result.trace.turns[0].grounder_seconds >= 0.04


def test_the_progress_of_the_propagator_goes_on_after_it_has_asked():
    stream = io.StringIO()
    now = [0.0]
    with ProgressBar(stream, clock=lambda: now[0]) as bar:
        bar.videoseg_stage_started(StageStarted("propagator", "on-doubt", total=40))
        bar.videoseg_stage_started(StageStarted("grounder", "rules", turn=0))
        bar.videoseg_stage_finished(StageFinished("grounder", "rules", turn=0, seconds=1.0))
        now[0] = 20.0
        bar.videoseg_frame_done(vs.plugins.FrameDone(9, 10, 40))
    assert stream.getvalue().splitlines() == [
        "grounder rules: 1.00 s",
        "propagator on-doubt: 10 of 40 frames, 60.0 s left",
    ]


def test_capabilities_may_depend_on_options():
    component = vs.Component(
        "propagator", "wraps", "toy_stages:Nothing", capabilities_of="toy_stages:find_capabilities"
    )
    assert component.capabilities_with({"masks": False}).boxes
    assert component.capabilities_with({}) is None
    with pytest.raises(vs.ConfigError, match="capabilities_of 'find' must have the form"):
        vs.Component("propagator", "wraps", "toy_stages:Nothing", capabilities_of="find")
