"""Measure the propagator ``flow`` on a long stream: peak memory against its length.

Run from the repository root:

    python tests/benchmarks/stream_memory.py --frames 200 1000

A textured disc moves over a textured scene that never ends (nothing is stored). Each length
runs in a process of its own; the table shows that process's peak resident memory while
propagating and the growth over the shortest run. Flat memory means the last column stays
near 0.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.types import Prompt, Rle
from videoseg.video import Video


def _texture(height: int, width: int, seed: int, color: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.0)
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(np.array(color) + 18 * noise[..., None], 0, 255).astype(np.uint8)


def _disc(index: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    x = width / 2 + width / 3 * np.sin(index / 25)
    y = height / 2 + height / 5 * np.cos(index / 40)
    cv2.circle(mask, (round(x), round(y)), height // 8, 1, -1)
    return mask.astype(bool)


def stream(num_frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Yield the frames one by one."""
    scene = _texture(height, width, 1, (90, 110, 80))
    skin = _texture(height, width, 2, (200, 60, 50))
    for index in range(num_frames):
        frame = scene.copy()
        mask = _disc(index, height, width)
        frame[mask] = skin[mask]
        yield frame


def measure(num_frames: int, height: int, width: int) -> dict:
    """Propagate one stream; returns peak resident memory in MiB and frames a second."""
    frames = stream(num_frames, height, width)
    video = Video.from_iterator(frames, live=True, cache_bytes=4 * height * width * 3)
    seen = 0
    start = time.perf_counter()
    with FlowPropagator().open(video) as session:
        session.prompt(Prompt(1, 0, mask=Rle.encode(_disc(0, height, width))))
        for _ in session.run():
            seen += 1
    seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        kibibytes //= 1024
    return {"frames": seen, "peak_mib": kibibytes / 1024, "frames_per_second": seen / seconds}


def main() -> None:
    """Measure each length in a fresh process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.frames[0], options.height, options.width)))
        return
    size = ["--height", str(options.height), "--width", str(options.width)]
    print("| frames | peak MiB | frames/s | growth |")
    print("|---|---|---|---|")
    first: float | None = None
    for count in sorted(options.frames):
        command = [sys.executable, __file__, "--one", "--frames", str(count), *size]
        row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        first = row["peak_mib"] if first is None else first
        growth = 100 * (row["peak_mib"] / first - 1)
        print(
            f"| {row['frames']} | {row['peak_mib']:.0f} | {row['frames_per_second']:.1f} "
            f"| {growth:+.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
