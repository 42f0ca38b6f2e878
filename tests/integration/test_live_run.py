"""`videoseg run --live` on a camera of the network, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import numpy as np
import pytest
from command_line import COMMAND, environment, error_line, videoseg
from looped_stream import looped_stream

from videoseg import Segmentation
from videoseg.testing import moving_square
from videoseg.video import Video


@pytest.fixture(scope="module")
def frames():
    return [np.asarray(frame) for frame in moving_square(12, size=(64, 96)).video]


def test_ctrl_c_ends_it_and_keeps_everything(frames, toy_plugins, tmp_path):
    with looped_stream(frames, fps=30) as url:
        process = subprocess.Popen(
            [
                *COMMAND,
                "run",
                url,
                "the middle",
                "--pipeline",
                "toy",
                "--live",
                "-o",
                "out",
                "--warmup-frames",
                "4",
                "--max-side",
                "48",
                "--json",
            ],
            cwd=tmp_path,
            env=environment(toy_plugins),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        file, end = tmp_path / "out/masks.jsonl", time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if file.exists() and file.read_text().count("\n") > 10:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["ended"] == "interrupted" and "Traceback" not in err
    result = Segmentation.load(tmp_path / "out")
    assert result.video.num_frames == document["num_frames"] >= 10
    assert result.video.size == (64, 96) and len(result.tracks[0].visible_frames) >= 10
    # A box of the frames as they were looked at is one of the source's frames in the result.
    assert result.grounding.prompts[0].box.as_tuple() == (24, 16, 72, 48)
    with Video.open(tmp_path / "out/overlay.mp4") as overlay:
        assert len(overlay) == result.video.num_frames and overlay.size == (32, 48)


def test_a_guess_is_told_by_the_status(frames, toy_plugins, tmp_path):
    with looped_stream(frames, fps=100, count=6) as url:
        done = videoseg(
            *("run", url, "the dog", "--pipeline", "toy", "--live", "-o", "out", "--json", "-q"),
            *("--warmup-frames", "2", "--only", "masks", "--strict"),
            folder=tmp_path,
            plugins=toy_plugins,
        )
    assert done.returncode == 3 and json.loads(done.stdout)["status"] == "guessed"
    assert "warning: 'dog' is not known" in done.stderr


@pytest.mark.parametrize(
    ("end", "count", "reason"),
    [
        ((), 8, "the source ended"),
        (("--end", "60"), 8, "the source ended"),
        # Motion JPEG is taken for 25 frames a second.
        (("--end", "0.32"), None, "the time given was over"),
    ],
)
def test_a_source_that_ends_is_a_success_and_so_is_the_end_of_the_time(
    frames, toy_plugins, tmp_path, end, count, reason
):
    with looped_stream(frames, fps=100, count=count) as url:
        done = videoseg(
            *("run", url, "the middle", "--pipeline", "toy", "--live", "-o", "out"),
            *("--warmup-frames", "4", "--only", "masks", *end),
            folder=tmp_path,
            plugins=toy_plugins,
        )
    assert done.returncode == 0 and "8 frames of http://127.0.0.1" in done.stdout
    assert done.stdout.split("\n")[0].endswith(f": {reason}")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["masks.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("0", "it"), "to watch camera 0, add --live"),
        (("rtsp://127.0.0.1/x", "it"), "to watch a stream, add --live"),
        (("clip.mp4", "it", "--live"), "is not a live source"),
        (("clip.mp4", "it", "--warmup-frames", "9"), "--warmup-frames goes with --live"),
        (("0", "it", "--live", "--start", "3"), "--start cannot be used with --live"),
        (("0", "it", "--live", "--reader", "pyav"), "--reader cannot be used with --live"),
        (("0", "--live", "--box", "0:1,1,5,5"), "--box, --point and --mask cannot be used"),
        (("http://127.0.0.1:9/x", "it", "--live"), "cannot be opened"),
    ],
)
def test_what_cannot_be_watched_is_refused(arguments, words, tmp_path):
    done = videoseg("run", *arguments, folder=tmp_path)
    assert done.returncode in (1, 2) and words in error_line(done)
    assert list(tmp_path.iterdir()) == []
