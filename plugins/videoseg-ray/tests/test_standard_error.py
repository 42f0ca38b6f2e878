"""A false alarm of Ray is kept off the terminal, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from videoseg_ray.standard_error import false_alarms_dropped

ALARM = (
    "[2026-01-02 03:04:05,678 E 65 65] core_worker.cc:2465: Actor with class name: "
    "'MapWorker(MapBatches(Worker))' and ID: 'cc' has constructor arguments in the object store "
    "and max_restarts > 0. If the arguments go out of scope, the actor restart will fail.\n"
)
OTHER = "[2026-01-02 03:04:05,678 E 65 65] core_worker.cc:99: The object store is full.\n"

FILES = Path("/proc/self/fd")


def test_only_the_false_alarm_is_dropped_and_the_order_is_kept(capfd):
    with false_alarms_dropped():
        os.write(2, ("one\n" + ALARM + OTHER + "two").encode())
    assert capfd.readouterr().err == "one\n" + OTHER + "two"


def test_what_the_program_writes_itself_is_on_the_terminal_at_once(capfd):
    stream = open(2, "w", closefd=False)  # noqa: SIM115
    before, sys.stderr = sys.stderr, stream
    try:
        with false_alarms_dropped():
            assert sys.stderr is not stream
            print("half of a", end=" line", file=sys.stderr, flush=True)
            assert capfd.readouterr().err == "half of a line"
        assert sys.stderr is stream
        print("after", file=sys.stderr, flush=True)
        assert capfd.readouterr().err == "after\n"
    finally:
        sys.stderr = before


def test_the_last_words_of_a_program_that_crashes_are_heard():
    program = (
        "import os\nfrom videoseg_ray.standard_error import false_alarms_dropped\n"
        "with false_alarms_dropped():\n    os.write(2, b'last words')\n    os._exit(3)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (3, b"last words")


@pytest.mark.skipif(not FILES.is_dir(), reason="needs /proc")
def test_descriptors_are_closed_and_an_error_passes():
    before = len(list(FILES.iterdir()))
    for _ in range(3):
        with pytest.raises(KeyError, match="mine"), false_alarms_dropped():
            raise KeyError("mine")
    assert len(list(FILES.iterdir())) == before
