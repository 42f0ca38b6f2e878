"""Progress on a terminal and in a log."""

from __future__ import annotations

import io
import subprocess
import sys

from videoseg.cli.eval_progress import EvaluationProgress
from videoseg.evaluation import Progress, Record, RecordedError
from videoseg.evaluation.run import describe_machine
from videoseg.metrics import SampleScore


class Terminal(io.StringIO):
    def isatty(self):
        return True


def answered(name="a/0"):
    return Record(name, "a", "0", "q", score=SampleScore({"j_and_f": 0.5}))


def failed():
    return Record("a/1", "a", "1", "q", status="failed", error=RecordedError("KeyError", "[x]"))


def test_a_log_gets_a_line_now_and_then_and_every_failure():
    stream, now = io.StringIO(), [0.0]
    with EvaluationProgress(stream, clock=lambda: now[0]) as progress:
        progress(Progress(0, 100, 0))
        for done in range(1, 40):
            now[0] += 1.0
            progress(Progress(done, 100, 0, 3.0 * (100 - done), answered()))
        progress(Progress(40, 100, 1, 180.0, failed()))
        progress(Progress(100, 100, 1, 0.0, answered()))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "0 of 100 samples"
    assert lines[1] == "10 of 100 samples, 4:30 min left; a/0 J&F 50.0"
    assert "a/1 failed: KeyError: [x]" in lines
    assert lines[-1] == "100 of 100 samples, 1 failed; a/0 J&F 50.0"
    assert len(lines) == 6


def test_a_batch_counts_no_samples():
    stream = io.StringIO()
    with EvaluationProgress(stream, unit="items") as progress:
        progress(Progress(0, 3, 0))
    assert stream.getvalue() == "0 of 3 items\n"


def test_a_terminal_gets_a_bar_with_the_time_left():
    stream = Terminal()
    with EvaluationProgress(stream) as progress:
        progress(Progress(0, 4, 0))
        progress(Progress(1, 4, 0, 7300.0, answered()))
        progress(Progress(2, 4, 1, 20.0, failed()))
    assert "a/1 failed: KeyError: [x]" in stream.getvalue()
    assert progress.latest is not None and progress.latest.done == 2


def test_quiet_shows_failures_only():
    stream = io.StringIO()
    with EvaluationProgress(stream, quiet=True) as progress:
        progress(Progress(0, 2, 0))
        progress(Progress(1, 2, 0, 1.0, answered()))
        progress(Progress(2, 2, 1, 0.0, failed()))
    assert stream.getvalue() == "a/1 failed: KeyError: [x]\n"


def test_of_many_failures_the_first_are_shown_and_the_others_counted():
    said = {}
    for most in (0, 2, 5):
        stream = io.StringIO()
        with EvaluationProgress(stream, quiet=True, max_failures=most) as progress:
            for done in range(1, 6):
                progress(Progress(done, 5, done, 0.0, failed()))
        said[most] = stream.getvalue().splitlines()
    line = "a/1 failed: KeyError: [x]"
    assert said == {0: [], 2: [line, line, "and 3 more failed"], 5: [line] * 5}


def test_the_peak_of_a_sample_is_its_own():
    # In a process of its own: memory that other tests have freed would be used again.
    script = """
from videoseg.evaluation.sample import MemoryWatch

watch = MemoryWatch()
before = watch.peak_bytes()
block = bytearray(64 * 2**20)
block[::4096] = b"x" * len(block[::4096])
peak = watch.peak_bytes()
del block
# Linux can set the mark back; elsewhere it is the peak of the process.
print(peak - before, MemoryWatch().peak_bytes() - peak, watch.peak_device_bytes())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    grown, later, on_devices = done.stdout.split()
    assert int(grown) >= 48 * 2**20
    assert int(later) <= 0
    assert on_devices == "None"


def test_the_machine_is_described_without_asking_any_library():
    facts = describe_machine()
    assert set(facts) == {"processor", "cores", "memory", "gpus", "system"}
    assert all(facts.values())
