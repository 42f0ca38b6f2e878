"""Whether a pipeline's stream stays as small as it was, over 10,000 frames.

Run from the repository root:

    python tests/benchmarks/stream_memory_pipeline.py [--source mp4] [--frames 10000]

The peak of the resident memory after the last frame must lie within 5 % of that after 1,000
frames. The frames are drawn when they are read, or decoded from an MP4 file that another
process has written (so that writing it leaves no trace in the numbers).
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

from videoseg_synthetic import stream_clip
from videoseg_synthetic.stream import SyntheticStream

import videoseg as vs
from videoseg.video import write_video

FIRST_CHECK = 1000
LARGEST_GROWTH = 0.05


def drawn(num_frames: int, height: int, width: int) -> SyntheticStream:
    """Return the video that is asked about."""
    return stream_clip(num_frames, seed=2, size=(height, width), camera="still", num_objects=3)


def peak_megabytes() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_megabytes() -> float:
    """Return the resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(video: object, query: str, order: str) -> dict[str, float]:
    """Stream the masks of a video and watch the memory."""
    begin = time.process_time()
    report: dict[str, float] = {}
    count = visible = 0
    with (
        vs.Pipeline.from_name("attributes") as pipe,
        pipe.stream(video, query, order=order) as run,
    ):
        for masks in run:
            count += 1
            visible += any(mask.any() for mask in masks.masks.values())
            if count % FIRST_CHECK == 0:
                report[f"peak_after_{count}"] = round(peak_megabytes(), 1)
                report[f"resident_after_{count}"] = round(resident_megabytes(), 1)
    report |= {"frames": count, "frames_with_masks": visible, "objects": len(masks.masks)}
    report["cpu_seconds"] = round(time.process_time() - begin, 1)
    return report


def main() -> None:
    """Measure, print JSON, exit with 1 if memory has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=["drawn", "mp4"], default="drawn")
    parser.add_argument("--order", choices=["time", "made"], default="time")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--write", type=Path, help="only write the MP4 file")
    options = parser.parse_args()
    stream = drawn(options.frames, *options.size)
    if options.write:
        write_video(options.write, (frame for _, frame in stream.iter_frames()), fps=stream.fps)
        return
    query = stream.queries[0].text
    if options.source == "drawn":
        report = measure(stream, query, options.order)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "long.mp4")
            size = [str(side) for side in options.size]
            command = [sys.executable, __file__, "--write", str(path), "--size", *size]
            subprocess.run([*command, "--frames", str(options.frames)], check=True)
            with vs.Video.open(path) as video:
                report = measure(video, query, options.order)
    growth = report[f"peak_after_{options.frames}"] / report[f"peak_after_{FIRST_CHECK}"] - 1
    print(json.dumps({"query": query, **report, "growth_percent": round(100 * growth, 2)}))
    if growth > LARGEST_GROWTH:
        raise SystemExit(f"the peak grew by {growth:.1%}, more than {LARGEST_GROWTH:.0%}")


if __name__ == "__main__":
    main()
