"""Measure the propagator ``xmem`` on long videos: peak memory against their length.

Run from the repository root:

    python tests/benchmarks/xmem_memory.py --frames 200 2000

The table shows the peak resident memory of a process for each length and its growth over the
shortest run. The network has random weights, whose masks mean nothing but cost the same. 2,000
frames at 480p take hours on a small processor: ``--width 8`` takes a network of narrow layers,
which is fast and small, but remembers as much of each frame (keys of 64 numbers and values of 512)
and so shows growth the better. ``--size 64`` sees the same frames at a smaller size, and
``--long-term`` lets the long-term memory fill up sooner.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from propagator_memory import add_arguments, measure_lengths, propagate
from videoseg_xmem import XMemPropagator
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions


def measure(options: argparse.Namespace) -> dict[str, float]:
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


def main() -> None:
    """Measure each length and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--width", type=int, default=64, help="channels of the stem; 64 published")
    parser.add_argument("--size", type=int, default=480, help="as the network sees them")
    parser.add_argument("--per-pass", type=int, help="objects in one pass (default: all)")
    parser.add_argument("--long-term", type=int, default=10_000)
    parser.add_argument("--precision", default="auto")
    measure_lengths(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
