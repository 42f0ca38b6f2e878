"""Time the propagator ``cutie`` beside the released implementation of Cutie.

Run from the repository root:

    python tests/benchmarks/cutie_speed.py --reference ../Cutie --data ../shared/data

Both are given the same frames with the same settings, one frame after the other in turn, so that
whatever else the machine does disturbs both alike. Times are of the network and the memory,
without decoding and resizing. Prints a Markdown table; the ratio of times is taken frame by frame
and its median is given besides that of the totals. On a machine that is not idle, the ratio of
processor time with ``--threads 1`` is the one to trust.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch
from cutie_parity import Ours, images_of
from cutie_reference import SIZES, Reference, informative_network
from propagator_speed import PLACES, race
from videoseg_cutie.options import MemoryOptions
from xmem_reference import boxes

from videoseg.engines import check_engine


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of Cutie")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequence", default="camel")
    parser.add_argument("--network", choices=SIZES, default="base")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--skip", type=int, default=2, help="first frames that do not count")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--objects", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--threads", type=int, default=2)
    precisions = ("float32", "bfloat16", "int8")
    parser.add_argument("--precision", choices=precisions, default="float32")
    parser.add_argument("--engine", choices=("eager", "openvino"), default="eager")
    parser.add_argument(
        "--long-term-full",
        action="store_true",
        help="fill the long-term memory with copies after the first frame, as in a long video",
    )
    options = parser.parse_args()
    check_engine(options.engine, options.precision, "cpu")
    torch.set_num_threads(options.threads)
    size = (options.size[0], options.size[1])
    folder = options.data / "davis" / "JPEGImages" / "480p" / options.sequence
    images = images_of(folder, options.frames, size)
    memory, dimensions = MemoryOptions(), SIZES[options.network]
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pth"
        torch.save(informative_network(dimensions).state_dict(), checkpoint)
        both = {
            "reference": Reference(options.reference, checkpoint, dimensions, memory),
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
        f"{options.network}, {len(images)} frames at {size[0]}x{size[1]}, {options.objects} "
        f"object(s), {options.threads} thread(s), {options.precision}, {options.engine} for ours, "
        f"{torch.backends.cpu.get_cpu_capability()}\n"
    )

    def fill() -> None:
        if options.long_term_full:
            for one in both.values():
                one.fill_long_term(memory.long_term_elements)

    race(both, images, given, skip=options.skip, after_first=fill)


if __name__ == "__main__":
    main()
