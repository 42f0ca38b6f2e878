"""Compare the propagator ``cutie`` with the released implementation of Cutie.

Run from the repository root:

    python tests/benchmarks/cutie_parity.py --reference ../Cutie --data ../shared/data

Both load the same random checkpoint and are given the same frames of a real clip and two objects;
a third comes on frame 12, and the second is removed before frame 26. The memories are made small,
so that within 40 frames the working memory of each group of objects is consolidated and its
long-term memory overflows. Height and width are no multiples of 16.

Prints a Markdown table: for each size of the network the largest and the mean difference of any
pixel's probability over all frames, on how many frames it is above 1e-4, and the least IoU of any
object on any frame.

Only the ``top_k`` most similar places are read, the most used ones become prototypes, and queries
look at a place or do not. Where two candidates are equal but for rounding, the implementations may
choose different ones. ``--noise`` shows what rounding does in the reference alone: it adds a line
in which the reference is compared with itself on images that differ by 1e-7. ``--read-all`` reads
all places in both; ``--double`` computes both in float64, where such ties are all but gone.

The reference is compared with the masks of the last frame closed up after an object is removed
(see ``Reference``); ``--as-released`` leaves them as they are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cutie_reference import SIZES, Reference, informative_network
from torch.nn import functional
from videoseg_cutie.checkpoint import load_network
from videoseg_cutie.network.preparation import prepare
from videoseg_cutie.options import MemoryOptions
from videoseg_cutie.tracker import Tracker
from xmem_parity import Agreement, compute_in_double
from xmem_reference import boxes, frames_of

LATE, LEAVES = 12, 26
PLACES = ((0.2, 0.3, 0.7, 0.5), (0.5, 0.6, 0.9, 0.9), (0.1, 0.05, 0.4, 0.25))
MEMORY = MemoryOptions(
    mem_every=2,
    min_working_frames=2,
    max_working_frames=4,
    prototypes=32,
    long_term_elements=110,
    long_term_buffer=30,
)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Ours:
    """``Tracker`` with frames padded and normalized, and probabilities cut back.

    Args:
        checkpoint: The checkpoint.
        options: Sizes of the memories.
        dtype: The type to compute in.
        openvino: Whether OpenVINO runs what depends on the image alone.
        eight_bit: Whether it runs the whole network, and multiplies 8-bit numbers.
    """

    def __init__(
        self,
        checkpoint: Path,
        options: MemoryOptions,
        dtype: torch.dtype,
        *,
        openvino: bool = False,
        eight_bit: bool = False,
    ) -> None:
        self._network = prepare(
            load_network(checkpoint),
            device=torch.device("cpu"),
            dtype=dtype,
            openvino=openvino,
            eight_bit=eight_bit,
        )
        self.tracker = Tracker(self._network, options)

    @property
    def num_prototypes(self) -> list[int]:
        """How many prototypes each group has in the long-term memory."""
        return self.tracker.memory.num_prototypes

    @property
    def parts(self) -> Mapping[str, list[tuple[Any, str]]]:
        """The methods that do each part; see ``propagator_speed``."""
        network, memory = self._network, self.tracker.memory
        return {
            "image": [(network, "encode_frame")],
            "reading the memory": [(memory, "read")],
            "pixel fuser, object transformer": [(network, "refine")],
            "decoder": [(network, "decode")],
            "masks to remember": [(network, "encode_masks")],
            "writing the memory": [(memory, "add")],
        }

    @torch.inference_mode()
    def fill_long_term(self, count: int) -> None:
        """Give the long-term memory copies of places that are remembered, after one frame."""
        memory = self.tracker.memory
        for group in memory._groups:
            keys = group.frames[0].keys
            rows = torch.arange(count) % len(keys.key)
            group.long.add(keys.key[rows], keys.shrinkage[rows])
            values = group.values_of(group.frames[:1])[rows]
            group.add_prototypes(values, torch.ones(count, dtype=torch.bool))
        memory._arrange()

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W), for an image in [0, 1], (3, H, W)."""
        height, width = image.shape[-2:]
        tall, wide = -height % 16, -width % 16
        top, left = tall // 2, wide // 2
        padding = (left, wide - left, top, tall - top)
        shape = (1, 3, 1, 1)
        mean, deviation = (torch.tensor(one).view(shape) for one in (_MEAN, _DEVIATION))
        padded = (functional.pad(image[None], padding) - mean) / deviation
        padded = padded.to(self._network.dtype, memory_format=torch.channels_last)
        masks = {number: functional.pad(mask, padding) for number, mask in given.items()}
        probabilities = self.tracker.step(padded, masks, last=last)
        return probabilities[:, top : top + height, left : left + width]

    def remove(self, numbers: list[int]) -> None:
        """Forget objects."""
        self.tracker.remove(numbers)


def images_of(folder: Path, count: int, size: tuple[int, int]) -> list[torch.Tensor]:
    """Return the first frames of a folder as images in [0, 1], (3, H, W) each."""
    images = []
    for frame in frames_of(folder, count):
        image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
        images.append(
            functional.interpolate(
                image, size, mode="bilinear", align_corners=False, antialias=True
            )[0]
        )
    return images


def compare(
    first: Ours | Reference,
    second: Ours | Reference,
    images: list[torch.Tensor],
    *,
    noise: float = 0.0,
) -> tuple[Agreement, float]:
    """Run two side by side; returns how they agree, and the spread of probabilities in space."""
    agreement, spread = Agreement(), []
    size = (images[0].shape[-2], images[0].shape[-1])
    masks = boxes(size, PLACES)
    generator = torch.Generator().manual_seed(1)
    for index, image in enumerate(images):
        given = {0: {0: masks[0], 1: masks[1]}, LATE: {2: masks[2]}}.get(index, {})
        if index == LEAVES:
            for one in (first, second):
                one.remove([1])
        changed = image + noise * torch.randn(image.shape, generator=generator)
        last = index == len(images) - 1
        expected = first.step(image, given, last=last)
        agreement.add(expected, second.step(changed, given, last=last), None)
        if index not in (0, LATE):
            spread.append(float(expected[1:].std(dim=(1, 2)).mean()))
    return agreement, float(np.mean(spread))


def main() -> None:
    """Compare both sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of Cutie")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequence", default="dogs-jump")
    parser.add_argument("--networks", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(90, 150), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chunk-size", type=int, help="objects at a time")
    parser.add_argument("--no-long-term", action="store_true", help="first in, first out")
    parser.add_argument("--sensory-updates", type=int, default=5)
    parser.add_argument("--mem-every", type=int, default=MEMORY.mem_every)
    parser.add_argument("--permanent-prompts", action="store_true")
    parser.add_argument("--read-all", action="store_true", help="no top_k")
    parser.add_argument("--double", action="store_true", help="compute both in float64")
    parser.add_argument("--noise", action="store_true", help="the reference against itself")
    parser.add_argument("--as-released", action="store_true", help="last masks not closed up")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.double:
        compute_in_double()
    size = (options.size[0], options.size[1])
    folder = options.data / "davis" / "JPEGImages" / "480p" / options.sequence
    images = images_of(folder, options.frames, size)
    memory = replace(
        MEMORY,
        mem_every=options.mem_every,
        top_k=None if options.read_all else MEMORY.top_k,
        chunk_size=options.chunk_size,
        long_term_elements=0 if options.no_long_term else MEMORY.long_term_elements,
        sensory_updates=options.sensory_updates,
        permanent_prompts=options.permanent_prompts,
    )
    print(f"{len(images)} frames of {options.sequence} at {size[0]}x{size[1]}, {memory}\n")
    print("| network | max difference | mean | frames > 1e-4 | least IoU | mean IoU | |")
    print("|---|---|---|---|---|---|---|")
    for name in options.networks:
        with tempfile.TemporaryDirectory() as temporary:
            checkpoint = Path(temporary) / "random.pth"
            network = informative_network(SIZES[name], seed=options.seed)
            torch.save(network.state_dict(), checkpoint)
            report(name, checkpoint, images, memory, options)


def report(
    name: str,
    checkpoint: Path,
    images: list[torch.Tensor],
    memory: MemoryOptions,
    options: argparse.Namespace,
) -> None:
    """Compare one network and print its lines of the table."""

    def reference() -> Reference:
        return Reference(
            options.reference,
            checkpoint,
            SIZES[name],
            memory,
            closes_up=not options.as_released,
        )

    def ours() -> Ours:
        return Ours(checkpoint, memory, torch.get_default_dtype())

    pairs: dict[str, tuple[Callable[[], Ours | Reference], float]] = {name: (ours, 0.0)}
    if options.noise:
        pairs[f"{name}, reference with noise of 1e-7"] = (reference, 1e-7)
    for label, (make, noise) in pairs.items():
        first, second = reference(), make()
        agreement, spread = compare(first, second, images, noise=noise)
        print(agreement.row(label), flush=True)
        worst = int(np.argmax(agreement.largest))
        print(
            f"<!-- worst on frame {worst}; prototypes {first.num_prototypes} and "
            f"{second.num_prototypes}; deviation of probabilities in space {spread:.2f} -->"
        )


if __name__ == "__main__":
    main()
