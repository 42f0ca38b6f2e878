"""Time the propagator ``xmem`` beside the released implementation of XMem.

Run from the repository root:

    python tests/benchmarks/xmem_speed.py --reference ../XMem --data ../shared/data

Both are given the same frames with the published settings, one frame after the other in
turn, so that whatever else the machine does disturbs both alike. Times are of the network
and the memory, without decoding and resizing. Prints a Markdown table; the ratio of times
is taken frame by frame and its median is given besides that of the totals. On a machine that
is not idle, the ratio of processor time with ``--threads 1`` is the one to trust.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch
from propagator_speed import PLACES, race
from videoseg_xmem.options import MemoryOptions
from xmem_parity import Ours
from xmem_reference import Reference, boxes, frames_of, informative_network, normalized

from videoseg.engines import check_engine


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of XMem")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequence", default="camel")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--skip", type=int, default=2, help="first frames that do not count")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--objects", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--threads", type=int, default=2)
    precisions = ("float32", "bfloat16", "int8")
    parser.add_argument("--precision", choices=precisions, default="float32")
    parser.add_argument("--engine", choices=("eager", "openvino"), default="eager")
    options = parser.parse_args()
    check_engine(options.engine, options.precision, "cpu")
    torch.set_num_threads(options.threads)
    size = tuple(options.size)
    folder = options.data / "davis" / "JPEGImages" / "480p" / options.sequence
    frames = frames_of(folder, options.frames)
    memory = MemoryOptions()
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pth"
        torch.save(informative_network().state_dict(), checkpoint)
        both = {
            "reference": Reference(options.reference, checkpoint, memory),
            "ours": Ours(
                checkpoint,
                memory,
                torch.bfloat16 if options.precision == "bfloat16" else torch.float32,
                openvino=options.engine == "openvino",
                eight_bit=options.precision == "int8",
            ),
        }
    given = dict(enumerate(boxes(size, PLACES[: options.objects])))
    print(
        f"{len(frames)} frames at {size[0]}x{size[1]}, {options.objects} object(s), "
        f"{options.threads} thread(s), {options.precision}, {options.engine} for ours, "
        f"{torch.backends.cpu.get_cpu_capability()}\n"
    )
    images = [normalized(frame, size) for frame in frames]
    race(both, images, given, skip=options.skip)


if __name__ == "__main__":
    main()
