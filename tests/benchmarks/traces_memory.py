"""Measure how much memory the making of traces takes, against the number of clips.

Run from the repository root:

    python tests/benchmarks/traces_memory.py --clips 25 50 100 200

Each number of clips is made in a process of its own, without a chat model. The masks are ragged,
so that those of a clip take some hundred kilobytes as text. The table shows the size of the file
that holds what is finished, and the process's peak resident memory; flat memory means that the
last column stays near 0.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NUM_FRAMES = 24
SIZE = (96, 128)


class Clips(Sequence[Any]):
    """Questions about clips of noise, each made when it is asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        from videoseg_train import TrainingSample

        from videoseg import MaskTrack, Video
        from videoseg.types import Rle

        rng = np.random.default_rng(number)
        frames = [np.full((*SIZE, 3), rng.integers(256), np.uint8) for _ in range(NUM_FRAMES)]
        masks = []
        for _ in range(NUM_FRAMES):
            mask = np.zeros(SIZE, bool)
            mask[20:76, 20:108] = rng.random((56, 88)) < 0.5
            masks.append(Rle.encode(mask))
        video = Video.from_frames(frames, fps=12, name=f"clip-{number}")
        truth = {1: MaskTrack(1, SIZE, tuple(masks))}
        return TrainingSample(f"clip {number}", video, "the ragged one", truth)


def measure(count: int) -> dict[str, float]:
    """Make the traces of so many clips."""
    from videoseg_train import build_traces

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        report = build_traces(Clips(count), folder)
        seconds = time.perf_counter() - begin
        size = (Path(folder) / "progress.jsonl").stat().st_size
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kibibytes //= 1024
    return {
        "kept": report.num_kept,
        "file_mib": size / 2**20,
        "peak_mib": kibibytes / 1024,
        "seconds": seconds,
    }


def main() -> None:
    """Measure each number of clips in a fresh process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.clips[0])))
        return
    print(f"{'clips':>6} {'kept':>6} {'file MiB':>9} {'peak MiB':>9} {'growth':>8} {'s':>7}")
    first = None
    for count in options.clips:
        command = [sys.executable, __file__, "--one", "--clips", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peak = found["peak_mib"]
        first = peak if first is None else first
        print(
            f"{count:>6} {found['kept']:>6.0f} {found['file_mib']:>9.1f} {peak:>9.0f} "
            f"{peak - first:>+8.0f} {found['seconds']:>7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
