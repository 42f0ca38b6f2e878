"""Time the survey of the default pipeline on a 480p clip of five seconds.

Run from the repository root, with another checkout of it to compare with:

    python tests/benchmarks/survey_speed.py [--davis DATA/davis --sequence dog] [--other CHECKOUT]

Prints wall and processor seconds of one survey for each round. With ``--other`` the survey of that
checkout is timed in turn, each in a process of its own, and the ratio of the medians is printed:
other load on the machine falls on both alike. Without DAVIS a synthetic clip is used.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import run_clip

ROOT = Path(__file__).resolve().parents[2]
TARGET_SECONDS = 1.0
TIMED = """
import json, sys, time
from videoseg.types import Window
from videoseg.video import Video
from videoseg_attributes.regions.survey import survey_window
with Video.open(sys.argv[1]) as video:
    survey_window(video, window=Window(0, 4))  # loads what is loaded once
with Video.open(sys.argv[1]) as video:
    wall, cpu = time.perf_counter(), time.process_time()
    found = survey_window(video, window=Window(0, len(video)))
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu,
                      len(found.candidates)]))
"""


def time_survey(checkout: Path, clip: Path) -> tuple[float, float]:
    """Return wall and processor seconds of one survey by a checkout's code."""
    sources = [checkout, *sorted(checkout.glob("plugins/videoseg-*/src"))]
    found = subprocess.run(
        [sys.executable, "-c", TIMED, str(clip)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sources))},
        check=True,
        stdout=subprocess.PIPE,
    )
    wall, cpu, _ = json.loads(found.stdout)
    return wall, cpu


def main() -> None:
    """Time the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--davis", type=Path, help="folder with JPEGImages/480p")
    parser.add_argument("--sequence", default="dog")
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    checkouts = {"here": ROOT} | ({"other": options.other} if options.other else {})
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        run_clip.write_clip(clip, options.davis, options.sequence)
        print("| round | checkout | wall, s | processor, s |\n|---|---|---|---|")
        for round_number in range(options.rounds):
            for name, checkout in checkouts.items():
                wall, cpu = time_survey(checkout.resolve(), clip)
                times[name].append((wall, cpu))
                print(f"| {round_number} | {name} | {wall:.2f} | {cpu:.2f} |", flush=True)
    medians = {
        name: [statistics.median(values) for values in zip(*rounds, strict=True)]
        for name, rounds in times.items()
    }
    verdict = "within" if medians["here"][0] <= TARGET_SECONDS else "over"
    print(f"\n{verdict} the target of {TARGET_SECONDS:.0f} s: {medians['here'][0]:.2f} s")
    if options.other:
        wall, cpu = (a / b for a, b in zip(medians["here"], medians["other"], strict=True))
        print(f"here / other: wall {wall:.2f}, processor {cpu:.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
