"""Compare the propagator ``xmem`` with the released implementation of XMem.

Run from the repository root:

    python tests/benchmarks/xmem_parity.py --reference ../XMem --data ../shared/data

Both load the same random checkpoint and are given the same frames of a real clip and two
objects, the second on frame 10. The memories are made small, so that within 40 frames the
working memory is consolidated many times. (The long-term memory does not overflow: the
released implementation cannot evict where an object came late.)
Prints a Markdown table: the largest and the mean difference of any pixel's probability over
all frames, on how many frames it is above 1e-4, and how the masks agree (the least and the
mean IoU of any object on any frame).

Only the ``top_k`` most similar places are read. Where the last of these and the next are
equal but for rounding, the two implementations may read different ones, which shows on that
frame and fades. ``--read-all`` reads all places in both, which leaves nothing to chance;
``--double`` computes both in float64, where such ties are all but gone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from videoseg_xmem.checkpoint import load_network
from videoseg_xmem.network.preparation import prepare
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.tracker import Tracker
from xmem_reference import ALL, Reference, frames_of, informative_network, normalised

LATE = 10


class Steps(Protocol):
    """One implementation on one video."""

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""


class Ours:
    """``Tracker`` with frames padded to multiples of 16 and probabilities cut back.

    Args:
        checkpoint: The checkpoint.
        options: Sizes of the memories.
        dtype: The type to compute in.
    """

    def __init__(self, checkpoint: Path, options: MemoryOptions, dtype: torch.dtype) -> None:
        self._dtype = dtype
        network = prepare(load_network(checkpoint), device=torch.device("cpu"), dtype=dtype)
        self.tracker = Tracker(network, options)

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""
        height, width = image.shape[-2:]
        tall, wide = -height % 16, -width % 16
        top, left = tall // 2, wide // 2
        padding = (left, wide - left, top, tall - top)
        padded = functional.pad(image[None], padding).to(
            self._dtype, memory_format=torch.channels_last
        )
        masks = {number: functional.pad(mask, padding) for number, mask in given.items()}
        probabilities = self.tracker.step(padded, masks, last=last)
        return probabilities[:, top : top + height, left : left + width]


def objects_of(folder: Path, size: tuple[int, int]) -> dict[int, dict[int, torch.Tensor]]:
    """Return what is given: the upper half of the annotated thing, and later its lower half."""
    given = {}
    for number, frame in enumerate((0, LATE)):
        thing = np.array(Image.open(folder / f"{frame:05d}.png")) > 0
        rows = np.flatnonzero(thing.any(axis=1))
        middle = (rows[0] + rows[-1]) // 2
        thing[middle:] &= number == 1
        thing[:middle] &= number == 0
        mask = torch.from_numpy(thing).float()
        given[frame] = {number: functional.interpolate(mask[None, None], size)[0, 0]}
    return given


def compute_in_double() -> None:
    """Let everything in this process that asks for float32 have float64.

    Then no two places of the memory are equally similar but for rounding, and what is left of
    a difference is a difference of method.
    """
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]


class Agreement:
    """How far two implementations are apart, over all frames."""

    def __init__(self) -> None:
        self.largest: list[float] = []
        self.means: list[float] = []
        self.ious: list[float] = []

    def add(self, expected: torch.Tensor, actual: torch.Tensor) -> None:
        """Take in one frame's probabilities."""
        difference = (expected - actual).abs()
        self.largest.append(float(difference.max()))
        self.means.append(float(difference.mean()))
        labels, others = expected.argmax(dim=0), actual.argmax(dim=0)
        for number in range(1, len(expected)):
            mask, other = labels == number, others == number
            union = int((mask | other).sum())
            self.ious.append(1.0 if union == 0 else int((mask & other).sum()) / union)

    def row(self, name: str) -> str:
        """Return a line of the table."""
        return (
            f"| {name} | {max(self.largest):.1e} | {np.mean(self.means):.1e} "
            f"| {sum(value > 1e-4 for value in self.largest)} "
            f"| {min(self.ious):.4f} | {np.mean(self.ious):.4f} |"
        )


def main() -> None:
    """Run all implementations side by side and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of XMem")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequence", default="dogs-jump", help="one with annotations")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--read-all", action="store_true", help="no top_k")
    parser.add_argument("--double", action="store_true", help="compute both in float64")
    parser.add_argument("--no-bfloat16", action="store_true", help="leave out what is slow")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.double:
        compute_in_double()
    size = tuple(options.size)
    folder = options.data / "davis"
    frames = frames_of(folder / "JPEGImages" / "480p" / options.sequence, options.frames)
    given = objects_of(folder / "Annotations" / "480p" / options.sequence, size)
    memory = MemoryOptions(
        mem_every=2,
        top_k=ALL if options.read_all else 30,
        min_working_frames=2,
        max_working_frames=4,
        prototypes=64,
    )
    dtype = torch.get_default_dtype()
    name = f"ours, {str(dtype).removeprefix('torch.')}"
    aligned = replace(memory, late_objects="aligned")
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pth"
        torch.save(informative_network(seed=options.seed).state_dict(), checkpoint)
        reference = Reference(options.reference, checkpoint, memory)
        ours: dict[str, Ours] = {
            name: Ours(checkpoint, memory, dtype),
            f"{name}, late_objects=aligned": Ours(checkpoint, aligned, dtype),
        }
        if not (options.no_bfloat16 or options.double):
            ours["ours, bfloat16, against ours, float32"] = Ours(
                checkpoint, memory, torch.bfloat16
            )
    agreements = {name: Agreement() for name in ours}
    spread = []
    for index, frame in enumerate(frames):
        image = normalised(frame, size)
        last = index == len(frames) - 1
        masks = given.get(index, {})
        expected = reference.step(image, masks, last=last)
        spread.append(float(((expected > 0.05) & (expected < 0.95)).float().mean()))
        results = {which: one.step(image, masks, last=last) for which, one in ours.items()}
        for which, result in results.items():
            against = results[name] if "bfloat16" in which else expected
            agreements[which].add(against, result)
    memory_of_ours = ours[name].tracker.memory
    print(
        f"{len(frames)} frames of {options.sequence} at {size[0]}x{size[1]}, second object on "
        f"frame {LATE}; {memory_of_ours.num_prototypes} prototypes at the end (reference: "
        f"{reference.memory.long_mem.size}); {100 * np.mean(spread):.0f} % of the reference's "
        "probabilities lie between 0.05 and 0.95\n"
    )
    print("| implementation | max difference | mean | frames > 1e-4 | least IoU | mean IoU |")
    print("|---|---|---|---|---|---|")
    for which, agreement in agreements.items():
        print(agreement.row(which))


if __name__ == "__main__":
    main()
