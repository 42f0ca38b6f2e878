"""Every observer hook is called, and none can spoil a run."""

from __future__ import annotations

import pytest

import videoseg as vs
from videoseg.plugins import FrameDone, Grounded, StageFinished, StageStarted


class OneBox:
    """Answers with a box around the square of the clip."""

    def step(self, episode: vs.Episode) -> vs.Grounding:
        return vs.Grounding(0, (vs.Prompt(1, 0, box=vs.Box(4, 16, 18, 30)),))


class Fails:
    def step(self, episode: vs.Episode) -> vs.Grounding:
        raise ZeroDivisionError("by hand")


class Recorder:
    def __init__(self) -> None:
        self.events: list[object] = []

    @vs.hookimpl
    def videoseg_stage_started(self, event: StageStarted) -> None:
        self.events.append(event)

    @vs.hookimpl
    def videoseg_stage_finished(self, event: StageFinished) -> None:
        self.events.append(event)

    @vs.hookimpl
    def videoseg_grounded(self, event: Grounded) -> None:
        self.events.append(event)

    @vs.hookimpl
    def videoseg_frame_done(self, event: FrameDone) -> None:
        self.events.append(event)


class Grumpy:
    @vs.hookimpl
    def videoseg_frame_done(self, event: FrameDone) -> None:
        raise RuntimeError("not today")


def pipeline(registry: vs.Registry, grounder: object | None = None) -> vs.Pipeline:
    return vs.Pipeline("first", grounder or OneBox(), "flow", segmenter="cut", registry=registry)


@pytest.mark.parametrize("through_a_plugin", [True, False])
def test_observers_hear_of_every_stage_and_frame(
    builtin_registry: vs.Registry, moving_square: vs.Video, through_a_plugin: bool
) -> None:
    recorder = Recorder()
    if through_a_plugin:
        builtin_registry.register(recorder, name="recorder")
    observers = () if through_a_plugin else (recorder,)
    result = pipeline(builtin_registry)(moving_square, "the square", observers=observers)
    started = [event for event in recorder.events if isinstance(event, StageStarted)]
    finished = [event for event in recorder.events if isinstance(event, StageFinished)]
    frames = [event for event in recorder.events if isinstance(event, FrameDone)]
    stages = [("sampler", "first"), ("grounder", "OneBox"), ("segmenter", "cut")]
    stages.append(("propagator", "flow"))
    assert [(event.stage, event.component) for event in started] == stages
    assert [(event.stage, event.component) for event in finished] == stages
    assert all(event.error is None and event.seconds >= 0 for event in finished)
    assert [event.frame for event in frames] == list(range(12))
    assert [event.done for event in frames] == list(range(1, 13))
    assert {event.total for event in frames} == {12}
    [grounded] = [event for event in recorder.events if isinstance(event, Grounded)]
    assert grounded == Grounded("the square", result.grounding, result.trace)
    # After sampler and grounder, before segmenter and propagator.
    assert recorder.events.index(grounded) == 4


def test_an_observer_that_fails_costs_a_warning_and_no_frame(
    builtin_registry: vs.Registry, moving_square: vs.Video
) -> None:
    builtin_registry.register(Grumpy(), name="grumpy")
    quiet = pipeline(vs.Registry(allow=("attributes",)))(moving_square, "the square")
    result = pipeline(builtin_registry)(moving_square, "the square")
    assert result.tracks == quiet.tracks
    assert [w for w in result.warnings if "observer grumpy failed: RuntimeError" in w]
    assert sum("grumpy" in warning for warning in result.warnings) == 1


def test_an_observer_may_leave_the_event_out(
    builtin_registry: vs.Registry, moving_square: vs.Video
) -> None:
    class Counter:
        count = 0

        @vs.hookimpl
        def videoseg_frame_done(self) -> None:
            self.count += 1

    counter = Counter()
    builtin_registry.register(counter, name="counter")
    pipeline(builtin_registry)(moving_square, "the square")
    assert counter.count == 12


def test_a_stage_that_fails_is_named_in_the_error_and_in_the_event(
    builtin_registry: vs.Registry, moving_square: vs.Video
) -> None:
    recorder = Recorder()
    with pytest.raises(vs.StageError, match="grounder 'Fails' failed: ZeroDivisionError: by hand"):
        pipeline(builtin_registry, Fails())(moving_square, "it", observers=(recorder,))
    last = recorder.events[-1]
    assert isinstance(last, StageFinished)
    assert last.stage == "grounder"
    assert last.error is not None and "by hand" in last.error


def test_streams_tell_observers_of_every_frame(
    builtin_registry: vs.Registry, moving_square: vs.Video
) -> None:
    recorder = Recorder()
    stream = pipeline(builtin_registry).stream(moving_square, "the square", observers=(recorder,))
    assert sum(1 for _ in stream) == 12
    assert sum(isinstance(event, FrameDone) for event in recorder.events) == 12
