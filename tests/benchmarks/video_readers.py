"""Compare the video readers: same frames, and what reading in each order costs.

Run with the clips to read, or without any to use those in the folder of test data:

    python tests/benchmarks/video_readers.py [CLIP ...]

Times are seconds of processor time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from videoseg.video import Video

NUM_JUMPS = 12


def demo_clips() -> list[Path]:
    """Return the clips in the folder of test data."""
    given = os.environ.get("VIDEOSEG_TEST_DATA")
    root = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    return sorted((root / "demos").glob("*.mp4"))


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of some work."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(path: Path, reader: str) -> str:
    """Return one line on what opening and reading a clip costs."""
    opened: list[Video] = []
    opening = seconds(lambda: opened.append(Video.open(path, reader=reader, cache_bytes=0)))
    with opened[0] as video:
        count = len(video)
        forward = seconds(lambda: [None for _ in video.iter_frames()])
        backward = seconds(lambda: [None for _ in video.iter_frames(reverse=True)])
        generator = random.Random(0)
        jumps = [generator.randrange(count) for _ in range(NUM_JUMPS)]
        jumping = seconds(lambda: [None for index in jumps if video[index] is None])
        sparse = seconds(lambda: video.read(range(0, count, max(1, count // 16))))
        return (
            f"  {reader:7s} open {opening:6.2f} s"
            f"  forward {1000 * forward / count:6.2f} ms a frame"
            f"  backward {backward / forward:5.2f} x forward"
            f"  jump {1000 * jumping / NUM_JUMPS:6.1f} ms"
            f"  16 spread frames {sparse / forward:5.2f} x forward"
        )


def num_different(path: Path) -> int:
    """Return how many frames differ between the readers."""
    with (
        Video.open(path, reader="pyav", cache_bytes=0) as ours,
        Video.open(path, reader="decord", cache_bytes=0) as theirs,
    ):
        if len(ours) != len(theirs):
            return abs(len(ours) - len(theirs))
        pairs = zip(ours.iter_frames(), theirs.iter_frames(), strict=True)
        return sum(not np.array_equal(frame, other) for (_, frame), (_, other) in pairs)


def main() -> None:
    """Print the comparison for each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    clips = parser.parse_args().clips or demo_clips()
    has_decord = importlib.util.find_spec("decord") is not None
    for path in clips:
        with Video.open(path) as video:
            height, width = video.size
            print(f"{path.name}: {len(video)} frames of {width}x{height}")
        print(measure(path, "pyav"))
        if has_decord:
            print(measure(path, "decord"))
            print(f"  frames that differ between the readers: {num_different(path)}")


if __name__ == "__main__":
    main()
