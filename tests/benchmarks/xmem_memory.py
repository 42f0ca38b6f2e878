"""Measure the propagator ``xmem`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/xmem_memory.py --frames 200 2000

Textured discs move over a textured scene that never ends (nothing is stored). Each length
runs in a process of its own; the table shows that process's peak resident memory and its
growth over the shortest run. The network has random weights, whose masks mean nothing but
cost the same. 2,000 frames at 480p take hours on a small processor: ``--width 8`` takes a
network of narrow layers, which is fast and small, but remembers as much of each frame (keys of
64 numbers and values of 512) and so shows growth the better. ``--size 64`` sees the same frames
at a smaller size, and ``--long-term`` lets the long-term memory fill up sooner.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from stream_memory import stream
from videoseg_xmem import XMemPropagator
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions

from videoseg.pipeline.propagate import Propagation
from videoseg.types import Prompt, Rle
from videoseg.video import Video


def prompts(num_objects: int, height: int, width: int) -> list[Prompt]:
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


def measure(options: argparse.Namespace) -> dict:
    """Propagate with random weights; returns peak resident memory in MiB and frames a second."""
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pth"
        network = random_network(Dimensions(width=options.width))
        torch.save(network.state_dict(), checkpoint)
        del network
        propagator = XMemPropagator(
            checkpoint=checkpoint,
            size=options.size,
            long_term_elements=options.long_term,
            max_objects_per_pass=options.per_pass,
            precision=options.precision,
        )
        return propagate(propagator, options)


def propagate(propagator: XMemPropagator, options: argparse.Namespace) -> dict:
    """Propagate one stream; returns peak resident memory in MiB and frames a second."""
    height, width, count = *options.frame_size, options.frames[0]
    # Passes read the frames side by side; the cache lets them share each.
    video = Video.from_iterator(
        stream(count, height, width), live=True, cache_bytes=8 * height * width * 3
    )
    seen = 0
    start = time.perf_counter()
    run = Propagation(propagator, video, prompts(options.objects, height, width), seed=0)
    for _ in run.forward():
        seen += 1
    run.close()
    seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kibibytes //= 1024
    return {"frames": seen, "peak_mib": kibibytes / 1024, "frames_per_second": seen / seconds}


def main() -> None:
    """Measure each length in a fresh process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 2000])
    parser.add_argument(
        "--frame-size", type=int, nargs=2, default=(480, 854), metavar=("HEIGHT", "WIDTH")
    )
    parser.add_argument("--width", type=int, default=64, help="channels of the stem; 64 published")
    parser.add_argument("--size", type=int, default=480, help="as the network sees them")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--per-pass", type=int, help="objects in one pass (default: all)")
    parser.add_argument("--long-term", type=int, default=10_000)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    fixed = _without_frames(sys.argv[1:])
    print("| frames | peak MiB | frames/s | growth |")
    print("|---|---|---|---|")
    first: float | None = None
    for count in sorted(options.frames):
        command = [sys.executable, __file__, "--one", *fixed, "--frames", str(count)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        first = row["peak_mib"] if first is None else first
        growth = 100 * (row["peak_mib"] / first - 1)
        print(
            f"| {row['frames']} | {row['peak_mib']:.0f} | {row['frames_per_second']:.2f} "
            f"| {growth:+.1f} % |",
            flush=True,
        )


def _without_frames(words: list[str]) -> list[str]:
    """Return the command line without ``--frames`` and its values."""
    kept, inside = [], False
    for word in words:
        inside = word == "--frames" or (inside and not word.startswith("--"))
        if not inside:
            kept.append(word)
    return kept


if __name__ == "__main__":
    main()
