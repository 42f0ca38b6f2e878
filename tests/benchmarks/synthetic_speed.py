"""How many frames of synthetic video are drawn in one second of processor time.

Run with ``python tests/benchmarks/synthetic_speed.py``.
"""

from __future__ import annotations

import argparse
import time

from videoseg_synthetic import make_clip, stream_clip


def main() -> int:
    """Time drawing, making whole clips and their tracks; return 1 below the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320), metavar=("H", "W"))
    parser.add_argument("--target", type=float, default=100.0, help="frames per second")
    arguments = parser.parse_args()
    size = (arguments.size[0], arguments.size[1])
    make_clip(size=size, num_frames=4)  # imports OpenCV

    begin = time.process_time()
    clips = [make_clip(seed=seed, size=size) for seed in range(arguments.clips)]
    planned = time.process_time()
    frames = sum(len(clip.frames) for clip in clips)
    drawn = time.process_time()
    for clip in clips:
        _ = clip.tracks
    encoded = time.process_time()

    stream = stream_clip(1_000, size=size)
    started = time.process_time()
    streamed = sum(1 for _ in stream)
    ended = time.process_time()

    whole = frames / (encoded - begin)
    print(f"masks and queries   {frames / (planned - begin):8.0f} frames/s")
    print(f"drawing             {frames / (drawn - planned):8.0f} frames/s")
    print(f"mask tracks (RLE)   {frames / (encoded - drawn):8.0f} frames/s")
    print(f"all of it           {whole:8.0f} frames/s")
    print(f"streaming           {streamed / (ended - started):8.0f} frames/s")
    return 0 if whole >= arguments.target else 1


if __name__ == "__main__":
    raise SystemExit(main())
