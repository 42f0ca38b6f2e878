"""Check that each memory policy of ``sam2`` holds no more on a long video than it declares.

Run from the repository root:

    python tests/benchmarks/sam2_policies_long.py
    python tests/benchmarks/sam2_policies_long.py --policies sam2long --frames 200 1000 2000

Each policy follows a box through a drawn clip that goes forward and backward again and again, for
as many frames as the last number, in a process of its own, with the network ``toy``: the code of
SAM 2 with few parameters, and random weights under which the best candidate changes, and the
object is out of sight on a good third of the frames and in doubt on others.

The table has the most that was held of one path, the most paths, the longest that an answer
waited, and the process's resident memory once so many frames had been answered. Exits with 1 if a
bound was exceeded or memory grew by more than a tenth. ``sam2long (end)`` answers as the paper
does, at the end of the run. ``fifo`` keeps what a run the other way would read, too.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sam2_policies import prompt_for, save_wavering_weights
from videoseg_sam2 import MemoryBounds, MemoryPolicy, Sam2Long, Sam2Propagator
from videoseg_sam2.policies import POLICY_NAMES, find_policy
from videoseg_sam2.policy import NUM_POINTERS, NUM_SLOTS
from videoseg_synthetic import make_clip

from videoseg.testing import RenderedSource

SIZE = (120, 160)
# Mean and spread of the object's score that the weights are scaled to. The prompted frame is an
# outlier: on the others the mean is 0.8 and the spread 1.9.
OBJECT_SCORES = (4.0, 14.0)
# What memory attention reaches in each direction, and the frame itself.
FIFO_BOUNDS = MemoryBounds(2 * NUM_SLOTS + 1, 2 * NUM_POINTERS + 1)
VARIANTS: dict[str, Callable[[], MemoryPolicy]] = {
    "sam2long (end)": functools.partial(Sam2Long, delay=None)
}


class Repeated(RenderedSource):
    """A drawn clip, forward and backward again and again, as long as is asked for."""

    def __init__(self, num_frames: int) -> None:
        super().__init__(num_frames, size=SIZE)
        self._clip = make_clip(seed=3, num_frames=60, size=SIZE, num_objects=3).frames

    def _paint(self, index: int) -> np.ndarray:
        last = len(self._clip) - 1
        place = index % (2 * last)
        return self._clip[min(place, 2 * last - place)]


def measure(policy: str, marks: Sequence[int], checkpoint: Path) -> dict[str, Any]:
    """Follow one object through a video and watch what is held."""
    memory = VARIANTS.get(policy, policy)
    propagator = Sam2Propagator(
        model="toy", checkpoint=checkpoint, device="cpu", precision="float32", memory=memory
    )
    video = Repeated(max(marks))
    most = dict.fromkeys(("features", "pointers", "paths", "waited"), 0)
    resident: dict[int, float] = {}
    begin = time.perf_counter()
    with propagator.open(video) as session:
        session.prompt(prompt_for(video))
        for masks in session.run():
            known = session._objects[1]
            trails = [] if known.paths is None else known.paths.trails
            kept = [one._entries for one in trails] or [known.passed]
            # What has features has a pointer, too; declared are those that may be read.
            read = [one._entries.keys() & one.policy.held().pointers for one in trails]
            held = {
                "features": max(_with_features(one) for one in kept),
                "pointers": max(map(len, read or kept)),
                "paths": len(kept),
                "waited": session._position[0] - masks.frame,
            }
            most = {key: max(most[key], value) for key, value in held.items()}
            if masks.frame + 1 in marks:
                resident[masks.frame + 1] = psutil.Process().memory_info().rss / 2**20
    rate = max(marks) / (time.perf_counter() - begin)
    return {"most": most, "resident": list(resident.values()), "rate": rate}


def _with_features(entries: dict[int, Any]) -> int:
    return sum(one.features is not None for one in entries.values())


def declared_bounds(policy: str) -> MemoryBounds:
    """Return what a policy declares; for ``fifo`` the reach of memory attention."""
    make = VARIANTS.get(policy) or find_policy(policy, "toy")
    return FIFO_BOUNDS if make is None else make().bounds


def exceeds(most: dict[str, int], bounds: MemoryBounds) -> bool:
    """Return whether more was held than declared."""
    return (
        most["features"] > bounds.features
        or most["pointers"] > bounds.pointers
        or most["paths"] > bounds.branches
        or (bounds.delay is not None and most["waited"] > bounds.delay)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 1000, 2000])
    parser.add_argument("--policies", nargs="+", default=[*POLICY_NAMES, *VARIANTS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    marks = sorted(arguments.frames)
    if arguments.one is not None:
        print(json.dumps(measure(arguments.policies[0], marks, arguments.one)))
        return 0
    columns = ["`memory`", "features", "pointers", "paths", "answers waited, frames"]
    columns += [f"MiB at {mark:,}" for mark in marks] + ["growth", "frames a second"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "wavering.pt"
        save_wavering_weights(
            checkpoint, Repeated(60), arguments.seed, object_scores=OBJECT_SCORES
        )
        for policy in arguments.policies:
            command = [sys.executable, __file__, "--policies", policy, "--one", str(checkpoint)]
            command += ["--frames", *map(str, marks)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout)
            bounds, most, resident = declared_bounds(policy), row["most"], row["resident"]
            growth = resident[-1] / resident[0] - 1
            failed |= exceeds(most, bounds) or growth > 0.1
            cells = [
                f"`{policy}`",
                f"{most['features']} of {bounds.features}",
                f"{most['pointers']} of {bounds.pointers}",
                f"{most['paths']} of {bounds.branches}",
                f"{most['waited']} of {'any' if bounds.delay is None else bounds.delay}",
                *(f"{one:.0f}" for one in resident),
                f"{growth:+.1%}",
                f"{row['rate']:.0f}",
            ]
            print("| " + " | ".join(cells) + " |", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
