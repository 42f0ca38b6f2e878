"""Print digests of the default pipeline's masks on real clips, to compare two versions.

    python tests/benchmarks/default_masks.py DAVIS/JPEGImages/480p/* > before.txt

Each line has a clip, a query and the SHA-256 digest of the masks of all objects in all frames.
Two versions whose lines are equal give the same masks, bit for bit.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import videoseg as vs

QUERIES = ("the main moving object", "the largest object on the left")


def digest(result: vs.Segmentation) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 digest of all masks."""
    state = hashlib.sha256()
    for track in result.tracks:
        for frame in range(result.video.num_frames):
            state.update(track.mask(frame).tobytes())
    return state.hexdigest()[:16]


def main(paths: list[str]) -> None:
    """Print one line for each clip and query."""
    with vs.Pipeline.from_name("attributes") as pipe:
        for path in paths:
            for query in QUERIES:
                print(f"{Path(path).name}\t{query}\t{digest(pipe(path, query))}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
