import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

import numpy as np
import pytest
from toy_stages import pipeline

from videoseg.plugins import FrameDone, Registry, StageFinished, StageStarted
from videoseg.progress import (
    ProgressBar,
    default_progress,
    open_display,
    show_task,
    track,
)
from videoseg.types import Box, Prompt


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _run(bar, clock, *, frames=40, seconds_per_frame=1.0):
    bar.videoseg_stage_started(StageStarted("grounder", "rules", turn=1))
    bar.videoseg_stage_finished(StageFinished("grounder", "rules", turn=1, seconds=0.25))
    bar.videoseg_stage_started(StageStarted("propagator", "flow", total=frames))
    for done in range(1, frames + 1):
        clock.now += seconds_per_frame
        bar.videoseg_frame_done(FrameDone(done - 1, done, frames))
    bar.videoseg_stage_finished(StageFinished("propagator", "flow", seconds=frames * 1.0))


def test_a_log_gets_a_line_for_each_stage_and_few_in_between():
    stream, clock = io.StringIO(), Clock()
    with ProgressBar(stream, clock=clock) as bar:
        _run(bar, clock)
    assert stream.getvalue().splitlines() == [
        "grounder rules, turn 2: 0.25 s",
        "propagator flow: 10 of 40 frames, 30.0 s left",
        "propagator flow: 20 of 40 frames, 20.0 s left",
        "propagator flow: 30 of 40 frames, 10.0 s left",
        "propagator flow: 40 of 40 frames",
        "propagator flow: 40.0 s",
    ]


def test_a_short_run_writes_no_lines_in_between():
    stream, clock = io.StringIO(), Clock()
    with ProgressBar(stream, clock=clock) as bar:
        _run(bar, clock, seconds_per_frame=0.01)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_live_source_has_no_time_left():
    stream, clock = io.StringIO(), Clock()
    with ProgressBar(stream, clock=clock) as bar:
        bar.videoseg_stage_started(StageStarted("propagator", "flow"))
        clock.now += 11
        bar.videoseg_frame_done(FrameDone(4, 5, None))
    assert stream.getvalue() == "propagator flow: 5 frames\n"


def test_a_tracked_task_is_shown_by_whoever_waits_for_it():
    stream, clock = io.StringIO(), Clock()
    with show_task("reading", stream, clock=clock):
        for _ in track(range(3), "clips"):
            clock.now += 12
    assert stream.getvalue().splitlines() == [
        "reading: 1 of 3 clips, 24.0 s left",
        "reading: 2 of 3 clips, 12.0 s left",
        "reading: 3 of 3 clips",
    ]


def test_a_tracked_task_alone_is_silent(capfd):
    stream, clock = io.StringIO(), Clock()
    with show_task("reading", stream, clock=clock):
        pass
    clock.now += 60
    assert list(track("abc", "clips")) == ["a", "b", "c"]
    assert (stream.getvalue(), *capfd.readouterr()) == ("", "", "")


def test_a_failure_is_named():
    stream = io.StringIO()
    with ProgressBar(stream) as bar:
        bar.videoseg_stage_started(StageStarted("propagator", "flow"))
        failed = StageFinished("propagator", "flow", seconds=0.5, error="out of memory")
        bar.videoseg_stage_finished(failed)
    assert stream.getvalue() == "propagator flow: failed after 0.50 s\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(), Clock()
    with ProgressBar(stream, clock=clock) as bar:
        bar.videoseg_stage_started(StageStarted("propagator", "[flow]", total=8))
        clock.now += 5
        bar.videoseg_frame_done(FrameDone(0, 1, 8))
        bar._display._progress.refresh()
        shown = stream.getvalue()
        bar.videoseg_stage_finished(StageFinished("propagator", "[flow]", seconds=40.0))
    assert "1 of 8 frames, 35.0 s left" in shown
    assert "\x1b[" in shown
    # Names in brackets are text, not rich's markup.
    assert "propagator [flow]: 40.0 s" in stream.getvalue()


def test_an_event_out_of_order_does_not_stop_the_run():
    for stream in (io.StringIO(), Terminal()):
        with ProgressBar(stream) as bar:
            bar.videoseg_frame_done(FrameDone(0, 1, 2))
            bar.videoseg_stage_finished(StageFinished("sampler", "uniform", seconds=1.0))
            bar.close()


def test_it_can_be_registered_like_any_observer():
    stream = io.StringIO()
    registry = Registry()
    registry.register(ProgressBar(stream), name="progress")
    for _, hook in registry.observers("videoseg_stage_finished"):
        hook(event=StageFinished("sampler", "uniform", seconds=0.5))
    assert stream.getvalue() == "sampler uniform: 0.50 s\n"


def test_a_notebook_gets_one_display_that_is_updated():
    pytest.importorskip("IPython")
    code = """
import IPython.display
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from videoseg.progress import ProgressBar, open_display, show_task, track
from videoseg.plugins import FrameDone, StageFinished, StageStarted

shell = InteractiveShell.instance()
shell.config["IPKernelApp"] = Config()
pages = []

class Handle:
    def update(self, page):
        pages.append(page.data)

def display(page, display_id=False):
    pages.append(page.data)
    return Handle()

IPython.display.display = display
ticks = iter(range(1000))
with ProgressBar(clock=lambda: float(next(ticks))) as bar:
    bar.videoseg_stage_started(StageStarted("propagator", "<flow>", total=3))
    for done in (1, 2, 3):
        bar.videoseg_frame_done(FrameDone(done - 1, done, 3))
    assert "<progress value='3' max='3'" in pages[-1], pages
    bar.videoseg_stage_finished(StageFinished("propagator", "<flow>", seconds=2.0))
assert "propagator &lt;flow&gt;: 2.00 s" in pages[-1], pages
assert "<progress" not in pages[-1]
print(len(pages))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5


def test_lines_can_be_written_while_a_task_goes_on(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        display = open_display(stream, clock=clock)
        display.begin("samples", 4)
        display.write("a/1 failed: [no] such file")
        clock.now += 11
        display.advance(2, 4, "2 of 4 samples")
        display.end("samples: 4.0 s")
        display.close()
        assert "a/1 failed: [no] such file" in stream.getvalue()
        assert "samples: 4.0 s" in stream.getvalue()
        assert display.is_live is stream.isatty()


def test_a_log_names_the_task_in_each_line():
    stream, clock = io.StringIO(), Clock()
    display = open_display(stream, clock=clock)
    display.begin("samples", 4)
    clock.now += 11
    display.advance(2, 4, "2 of 4")
    display.begin("", None)
    clock.now += 11
    display.advance(3, None, "3 frames")
    assert stream.getvalue().splitlines() == ["samples: 2 of 4", "3 frames"]


@pytest.fixture
def shown(monkeypatch):
    """Return what asks whether a run shows its progress by default."""
    # A bar that another test has left open.
    monkeypatch.setattr("videoseg.progress._open_observers", WeakSet())

    def ask(progress=None, observers=(), stream=None):
        monkeypatch.setattr(sys, "stderr", Terminal() if stream is None else stream)
        with default_progress(progress, observers) as found:
            return len(found) > len(observers)

    return ask


def test_progress_is_on_by_default_on_terminals_and_in_notebooks(shown, monkeypatch):
    assert shown()
    assert not shown(stream=io.StringIO()) and not shown(progress=False)
    assert shown(progress=True, stream=io.StringIO())
    monkeypatch.setattr("videoseg.progress._in_notebook", lambda: True)
    assert shown(stream=io.StringIO()) and not shown(progress=False)


def test_one_display_is_enough(shown):
    with ProgressBar(io.StringIO()) as bar:
        assert not shown(observers=(bar,))
        bar.videoseg_stage_started(StageStarted("sampler", "uniform"))
        assert not shown()
    assert shown()


def test_other_threads_show_nothing_by_themselves(shown):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(shown).result() is False


def test_a_pipeline_shows_its_progress_if_asked(capsys):
    video = np.zeros((3, 8, 8, 3), np.uint8)
    for progress in (True, False, None):
        pipeline()(video, "it", progress=progress)
        assert bool(capsys.readouterr().err) is bool(progress)
    pipeline().propagate(video, Prompt(1, 0, box=Box(0, 0, 2, 2)), progress=True)
    assert "propagator Hold" in capsys.readouterr().err
