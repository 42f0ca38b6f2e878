"""Measures a propagator on long videos: peak memory against their length. For other scripts.

Textured discs move over a textured scene that never ends (nothing is stored). Each length runs in
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from stream_memory import stream

from videoseg.pipeline.propagate import Propagation
from videoseg.stages import Propagator
from videoseg.types import Prompt, Rle
from videoseg.video import Video

__all__ = ["add_arguments", "measure_lengths", "propagate"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is propagated."""
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 2000])
    parser.add_argument(
        "--frame-size", type=int, nargs=2, default=(480, 854), metavar=("HEIGHT", "WIDTH")
    )
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)


def measure_lengths(
    options: argparse.Namespace, measure: Callable[[argparse.Namespace], dict[str, float]]
) -> None:
    """Measure each length in a fresh process of the running script and print the table.

    Args:
        options: What ``add_arguments`` and the script have asked for.
        measure: Propagates one length and returns what ``propagate`` returns.
    """
    if options.one:
        print(json.dumps(measure(options)))
        return
    fixed = _without_frames(sys.argv[1:])
    print("| frames | peak MiB | frames/s | growth |")
    print("|---|---|---|---|")
    first: float | None = None
    for count in sorted(options.frames):
        command = [sys.executable, sys.argv[0], "--one", *fixed, "--frames", str(count)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        first = row["peak_mib"] if first is None else first
        growth = 100 * (row["peak_mib"] / first - 1)
        print(
            f"| {row['frames']} | {row['peak_mib']:.0f} | {row['frames_per_second']:.2f} "
            f"| {growth:+.1f} % |",
            flush=True,
        )


def propagate(propagator: Propagator, options: argparse.Namespace) -> dict[str, float]:
    """Propagate one stream; returns peak resident memory in MiB and frames a second."""
    height, width, count = *options.frame_size, options.frames[0]
    # Passes read the frames side by side; the cache lets them share each.
    video = Video.from_iterator(
        stream(count, height, width), live=True, cache_bytes=8 * height * width * 3
    )
    seen = 0
    start = time.perf_counter()
    run = Propagation(propagator, video, _prompts(options.objects, height, width), seed=0)
    for _ in run.forward():
        seen += 1
    run.close()
    seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kibibytes //= 1024
    return {"frames": seen, "peak_mib": kibibytes / 1024, "frames_per_second": seen / seconds}


def _prompts(num_objects: int, height: int, width: int) -> list[Prompt]:
    """Return a disc for each object, on a grid."""
    columns = int(np.ceil(np.sqrt(num_objects)))
    made = []
    for number in range(num_objects):
        mask = np.zeros((height, width), np.uint8)
        row, column = divmod(number, columns)
        center = (round(width * (column + 0.5) / columns), round(height * (row + 0.5) / columns))
        cv2.circle(mask, center, height // (3 * columns), 1, -1)
        made.append(Prompt(number + 1, 0, mask=Rle.encode(mask.astype(bool))))
    return made


def _without_frames(words: list[str]) -> list[str]:
    """Return the command line without ``--frames`` and its values."""
    kept, inside = [], False
    for word in words:
        inside = word == "--frames" or (inside and not word.startswith("--"))
        if not inside:
            kept.append(word)
    return kept
