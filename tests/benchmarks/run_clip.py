"""Time a whole run, from process start to saved result, on a 480p clip of five seconds.

Run from the repository root:

    python tests/benchmarks/run_clip.py [--davis DATA/davis --sequence dog]

Without DAVIS a synthetic clip is used. The target is the length of the clip, 5 seconds of wall
time, on two idle cores; CPU seconds are printed as well, since wall time depends on other load.
A run on a tiny clip comes before, so that modules are compiled, as in an installed package.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from videoseg_synthetic import demo_clip

from videoseg import Segmentation, Video
from videoseg.types import Frame
from videoseg.video import write_video

NUM_FRAMES = 120
FPS = 24
SIZE = (480, 854)
TARGET_SECONDS = NUM_FRAMES / FPS  # the length of the clip


def back_and_forth(video: Video) -> Iterator[Frame]:
    """Yield a video's frames forever, reversing at its ends."""
    while True:
        for _, frame in video.iter_frames():
            yield frame
        for _, frame in video.iter_frames(1, len(video) - 1, reverse=True):
            yield frame


def write_clip(path: Path, davis: Path | None, sequence: str) -> None:
    """Write the clip to run on."""
    if davis is None:
        clip = demo_clip(size=SIZE, num_frames=NUM_FRAMES, fps=FPS)
        write_video(path, clip.iter_frames(), fps=FPS)
        return
    with Video.open(davis / "JPEGImages" / "480p" / sequence) as video:
        write_video(path, islice(back_and_forth(video), NUM_FRAMES), fps=FPS)


def main() -> None:
    """Measure and print one line, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davis", type=Path, help="folder with JPEGImages/480p")
    parser.add_argument("--sequence", default="dog")
    parser.add_argument("--query", default="the thing that moves")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip, out = Path(folder, "clip.mp4"), Path(folder, "out")
        write_clip(clip, options.davis, options.sequence)
        tiny = Path(folder, "tiny.mp4")
        write_video(tiny, demo_clip(size=(60, 96), num_frames=8).iter_frames(), fps=FPS)
        settings = os.environ | {"PYTHONPYCACHEPREFIX": str(Path(folder, "compiled"))}
        settings.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(video: Path, result: Path) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "videoseg", "run", str(video), options.query]
            return subprocess.Popen([*command, "-o", str(result), "--quiet"], env=settings)

        start(tiny, Path(folder, "tiny")).wait()
        begin = time.perf_counter()
        process = start(clip, out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(process.returncode)
        result = Segmentation.load(out)
    report = {
        "clip": options.sequence if options.davis else "drawn",
        "frames": result.video.num_frames,
        "size": list(result.video.size),
        "found": len(result.tracks),
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_megabytes": round(usage.ru_maxrss / 1024),
        "stages": {stage: round(value, 2) for stage, value in result.timings.items()},
        "load": round(os.getloadavg()[0], 1),
    }
    if options.json:
        print(json.dumps(report))
    else:
        verdict = "within" if wall <= TARGET_SECONDS else "over"
        print(f"{verdict} the target of {TARGET_SECONDS:.0f} s:", json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
