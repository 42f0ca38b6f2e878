"""Measure the propagator ``sam2`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/sam2_memory.py --frames 200 2000
    python tests/benchmarks/sam2_memory.py --frames 200 400 --objects 20 --max-objects 5
    python tests/benchmarks/sam2_memory.py --frames 200 2000 --memory dam
    python tests/benchmarks/sam2_memory.py --frames 200 2000 --curve

Frames are painted as they are asked for, so that nothing but the session can grow. Each length
runs in a process of its own; the table shows that process's peak resident memory and the growth
over the shortest run, and with ``--curve`` the resident memory after each tenth of the longest
one. Weights are random; with the default model ``toy`` the memory per frame is
small, but a session that kept frames, masks or outputs would still grow by more than 1 MB a frame
at 480p. A memory policy that holds more than it declares ends the run with an error.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream_memory_pipeline import resident_megabytes
from videoseg_sam2 import Sam2Propagator

from videoseg.pipeline.propagate import Propagation
from videoseg.stages import Propagator
from videoseg.testing import RenderedSource
from videoseg.types import Box, Prompt, Size


def prompts_for(objects: int, height: int, width: int) -> list[Prompt]:
    """Return boxes spread over the frame; what is in them does not matter."""
    prompts = []
    for index in range(objects):
        x, y = (index % 5) * width / 5, (index // 5) * height / 4
        box = Box(x + 1, y + 1, x + width / 5 - 1, y + height / 4 - 1)
        prompts.append(Prompt(index + 1, 0, box=box))
    return prompts


def measure(
    num_frames: int, size: Size, propagator: Propagator, prompts: Sequence[Prompt]
) -> dict[str, Any]:
    """Propagate one video, both ways where prompts are not on its first frame.

    Returns:
        Peak resident memory in MiB, frames a second, and the resident memory after each tenth.
    """
    begin = time.perf_counter()
    propagation = Propagation(propagator, RenderedSource(num_frames, size=size), prompts, seed=0)
    frames, resident = 0, []
    for _ in propagation.run():
        frames += 1
        if frames * 10 // num_frames > len(resident):
            resident.append(resident_megabytes())
    propagation.close()
    propagation.raise_failure()
    seconds = time.perf_counter() - begin
    assert frames == num_frames
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": frames, "peak": peak, "rate": frames / seconds, "resident": resident}


def parser(description: str, model: str) -> argparse.ArgumentParser:
    """Return the options of a measurement."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--frames", type=int, nargs="+", default=[200, 2000])
    options.add_argument("--size", type=int, nargs=2, default=[480, 854], metavar=("H", "W"))
    options.add_argument("--model", default=model)
    options.add_argument("--objects", type=int, default=1)
    options.add_argument("--max-objects", type=int)
    options.add_argument("--curve", action="store_true", help="resident memory along the way")
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return options


def show_table(
    script: str, arguments: argparse.Namespace, extra: Sequence[str] = (), title: str = ""
) -> int:
    """Measure each length in a process of its own and print a table.

    Args:
        script: Path of the script that measures.
        arguments: What ``parser`` has parsed.
        extra: More options for the script.
        title: What is added to the table's first line.

    Returns:
        1 if memory grew by more than a tenth, else 0.
    """
    options = ["--size", *map(str, arguments.size), "--model", arguments.model]
    options += ["--objects", str(arguments.objects), *extra]
    if arguments.max_objects is not None:
        options += ["--max-objects", str(arguments.max_objects)]
    height, width = arguments.size
    print(f"{Path(arguments.model).name}, {width}x{height}, {arguments.objects} objects{title}")
    print("| frames | peak MiB | growth | frames a second |")
    print("|---|---|---|---|")
    first = None
    growth = 0.0
    for frames in arguments.frames:
        command = [sys.executable, script, "--one", "--frames", str(frames), *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout)
        first = first or row["peak"]
        growth = row["peak"] / first - 1
        print(f"| {frames} | {row['peak']:.0f} | {growth:+.1%} | {row['rate']:.1f} |", flush=True)
    if arguments.curve:
        print(f"MiB after each tenth: {', '.join(f'{one:.0f}' for one in row['resident'])}")
    return int(growth > 0.1)


def main() -> int:
    options = parser(__doc__.splitlines()[0], "toy")
    options.add_argument("--memory", default="fifo", help="a memory policy")
    arguments = options.parse_args()
    if not arguments.one:
        extra = ["--memory", arguments.memory]
        return show_table(__file__, arguments, extra, f", memory {arguments.memory}")
    height, width = arguments.size
    propagator = Sam2Propagator(
        model=arguments.model,
        random_weights=True,
        device="cpu",
        precision="float32",
        max_objects_per_pass=arguments.max_objects,
        memory=arguments.memory,
    )
    prompts = prompts_for(arguments.objects, height, width)
    print(json.dumps(measure(arguments.frames[0], (height, width), propagator, prompts)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
