"""Measure the propagator ``cutie`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/cutie_memory.py --frames 200 2000

The table shows the peak resident memory of a process for each length and its growth over the
shortest run. The network has random weights, whose masks mean nothing but cost the same. 2,000
frames at 480p take hours on a small processor: ``--narrow`` takes a network of narrow layers,
which is fast and small, but remembers as much of each frame (keys of 64 numbers and values of 256)
and so shows growth the better. ``--size 64`` sees the same frames at a smaller size, and
``--long-term`` lets the long-term memory fill up sooner.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from cutie_reference import SIZES
from propagator_memory import add_arguments, measure_lengths, propagate
from videoseg_cutie import CutiePropagator
from videoseg_cutie.checkpoint import random_network


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Propagate with random weights; returns peak resident memory in MiB and frames a second."""
    dimensions = SIZES[options.network]
    if options.narrow:
        dimensions = replace(
            dimensions, pixel=16, sensory=16, embed=16, middle=8, hidden=32, width=8
        )
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pth"
        torch.save(random_network(dimensions).state_dict(), checkpoint)
        propagator = CutiePropagator(
            checkpoint=checkpoint,
            max_internal_size=options.size,
            mem_every=options.mem_every,
            long_term_elements=options.long_term,
            long_term_buffer=options.long_term // 5,
            chunk_size=options.chunk_size,
            precision=options.precision,
        )
        return propagate(propagator, options)


def main() -> None:
    """Measure each length and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--network", choices=SIZES, default="base")
    parser.add_argument("--narrow", action="store_true", help="fewer channels but in memory")
    parser.add_argument("--size", type=int, default=480, help="as the network sees them")
    parser.add_argument("--mem-every", type=int, default=5)
    parser.add_argument("--long-term", type=int, default=10_000)
    parser.add_argument("--chunk-size", type=int, help="objects at a time")
    parser.add_argument("--precision", default="auto")
    measure_lengths(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
