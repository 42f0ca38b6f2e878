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

``--fitted`` takes a network whose masks follow the annotated objects (see ``xmem_fitted.py``),
so that what bfloat16 does to masks can be seen, in ours and in the reference under autocast.
``--checkpoint`` with ``--fitted`` takes one that is there. The released implementation reads
networks of the published width only; without ``--reference``, only ours are compared.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from videoseg_xmem.checkpoint import load_network
from videoseg_xmem.network.preparation import prepare
from videoseg_xmem.options import MemoryOptions
from videoseg_xmem.tracker import Tracker
from xmem_fitted import fit, quick_bfloat16
from xmem_reference import ALL, Reference, frames_of, informative_network, normalized

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
    def last_convolution(self) -> torch.nn.Module:
        """Makes the logits at stride 4."""
        return self._network.decoder.pred

    @property
    def parts(self) -> Mapping[str, list[tuple[Any, str]]]:
        """The methods that do each part; see ``propagator_speed``."""
        network, memory = self._network, self.tracker.memory
        return {
            "image": [(network, "encode_key")],
            "reading the memory": [(memory, "read")],
            "decoder": [(network, "segment")],
            "masks to remember": [(network, "encode_value")],
            "writing the memory": [(memory, "add")],
        }

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""
        height, width = image.shape[-2:]
        tall, wide = -height % 16, -width % 16
        top, left = tall // 2, wide // 2
        padding = (left, wide - left, top, tall - top)
        padded = functional.pad(image[None], padding).to(
            self._network.dtype, memory_format=torch.channels_last
        )
        masks = {number: functional.pad(mask, padding) for number, mask in given.items()}
        probabilities = self.tracker.step(padded, masks, last=last)
        return probabilities[:, top : top + height, left : left + width]


def annotation_of(
    folder: Path, frame: int, size: tuple[int, int], numbers: list[int] | None
) -> torch.Tensor:
    """Return the masks of two objects on one frame, (2, H, W).

    These are the annotated objects of the given numbers, or else the upper and the lower half
    of all that is annotated.
    """
    annotated = np.array(Image.open(folder / f"{frame:05d}.png"))
    if numbers:
        masks = np.stack([annotated == number for number in numbers])
    else:
        masks = np.stack([annotated > 0] * 2)
        rows = np.flatnonzero(masks[0].any(axis=1))
        middle = (rows[0] + rows[-1]) // 2
        masks[0, middle:] = False
        masks[1, :middle] = False
    return functional.interpolate(torch.from_numpy(masks).float()[None], size)[0]


def compute_in_double() -> None:
    """Let everything in this process that asks for float32 have float64.

    Then no two places of the memory are equally similar but for rounding, and what is left of
    a difference is a difference of method.
    """
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]


class InBfloat16:
    """The reference with convolutions and products in bfloat16, as it is used on a GPU."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self._reference.step(image, given, last=last).float()


def _iou(mask: torch.Tensor, other: torch.Tensor) -> float:
    union = int((mask | other).sum())
    return 1.0 if union == 0 else int((mask & other).sum()) / union


class Agreement:
    """How far an implementation is from another one and from the annotation, on all frames."""

    def __init__(self) -> None:
        self.largest: list[float] = []
        self.means: list[float] = []
        self.ious: list[float] = []
        self.overlaps: list[float] = []

    def add(
        self, expected: torch.Tensor, actual: torch.Tensor, annotated: torch.Tensor | None
    ) -> None:
        """Take in one frame's probabilities and the annotated masks."""
        difference = (expected - actual).abs()
        self.largest.append(float(difference.max()))
        self.means.append(float(difference.mean()))
        labels, others = expected.argmax(dim=0), actual.argmax(dim=0)
        for number in range(1, len(expected)):
            mask = others == number
            self.ious.append(_iou(labels == number, mask))
            if annotated is not None:
                self.overlaps.append(_iou(annotated[number - 1] > 0.5, mask))

    def row(self, name: str) -> str:
        """Return a line of the table."""
        return (
            f"| {name} | {max(self.largest):.1e} | {np.mean(self.means):.1e} "
            f"| {sum(value > 1e-4 for value in self.largest)} "
            f"| {min(self.ious):.4f} | {np.mean(self.ious):.4f} "
            f"| {f'{np.mean(self.overlaps):.3f}' if self.overlaps else ''} |"
        )


@dataclass
class Contender:
    """An implementation, and the one it is compared with.

    Args:
        steps: The implementation.
        against: The name of the other one.
        agreement: What has been found.
    """

    steps: Steps
    against: str
    agreement: Agreement = field(default_factory=Agreement)


def contenders(
    checkpoint: Path, memory: MemoryOptions, options: argparse.Namespace
) -> dict[str, Contender]:
    """Return all that are compared, first the one that the others are compared with."""
    dtype = torch.get_default_dtype()
    name = f"ours, {str(dtype).removeprefix('torch.')}"

    def reference() -> Reference:
        return Reference(options.reference, checkpoint, memory)

    aligned = replace(memory, late_objects="aligned")
    base = name if options.reference is None else "reference"
    found = {} if options.reference is None else {base: Contender(reference(), base)}
    found[name] = Contender(Ours(checkpoint, memory, dtype), base)
    found[f"{name}, late_objects=aligned"] = Contender(Ours(checkpoint, aligned, dtype), base)
    if not (options.no_bfloat16 or options.double):
        found["ours, bfloat16"] = Contender(Ours(checkpoint, memory, torch.bfloat16), name)
        if options.fitted and options.reference is not None:
            found["reference, bfloat16"] = Contender(InBfloat16(reference()), "reference")
    return found


def main() -> None:
    """Run all implementations side by side and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--reference", type=Path, help="checkout of XMem")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequence", default="dogs-jump", help="one with annotations")
    parser.add_argument("--objects", type=int, nargs=2, help="numbers in the annotation")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--read-all", action="store_true", help="no top_k")
    parser.add_argument("--double", action="store_true", help="compute both in float64")
    parser.add_argument("--no-bfloat16", action="store_true", help="leave out what is slow")
    parser.add_argument("--fitted", action="store_true", help="masks follow the objects")
    parser.add_argument("--checkpoint", type=Path, help="keep the fitted network here, or take it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.double:
        compute_in_double()
    size = tuple(options.size)
    folder = options.data / "davis"
    frames = frames_of(folder / "JPEGImages" / "480p" / options.sequence, options.frames)
    images = [normalized(frame, size) for frame in frames]
    # Only what is given needs an annotation, unless the network is to be fitted to it.
    folder = folder / "Annotations" / "480p" / options.sequence
    annotated = {
        index: annotation_of(folder, index, size, options.objects)
        for index in (range(len(frames)) if options.fitted else (0, LATE))
    }
    given = {0: {0: annotated[0][0]}, LATE: {1: annotated[LATE][1]}}
    memory = MemoryOptions(
        mem_every=2,
        top_k=ALL if options.read_all else 30,
        min_working_frames=2,
        max_working_frames=4,
        prototypes=64,
    )
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = options.checkpoint or Path(temporary) / "random.pth"
        if not options.fitted:
            torch.save(informative_network(seed=options.seed).state_dict(), checkpoint)
        elif not checkpoint.is_file():
            fit(
                checkpoint,
                lambda path: Ours(path, memory, torch.get_default_dtype()),
                images,
                given,
                list(annotated.values()),
                seed=options.seed,
            )
        found = contenders(checkpoint, memory, options)
    spread = []
    with quick_bfloat16():
        for index, image in enumerate(images):
            last = index == len(images) - 1
            masks = given.get(index, {})
            results = {
                name: one.steps.step(image, masks, last=last) for name, one in found.items()
            }
            expected = next(iter(results.values()))
            spread.append(float(((expected > 0.05) & (expected < 0.95)).float().mean()))
            for name, one in found.items():
                truth = annotated[index] if options.fitted and index not in given else None
                one.agreement.add(results[one.against], results[name], truth)
    prototypes = [
        f"{one.steps.memory.long_mem.size} (reference)"
        if isinstance(one.steps, Reference)
        else str(one.steps.tracker.memory.num_prototypes)
        for one in list(found.values())[:2]
    ]
    print(
        f"{len(frames)} frames of {options.sequence} at {size[0]}x{size[1]}, second object on "
        f"frame {LATE}; {', '.join(prototypes)} prototypes at the end; "
        f"{100 * np.mean(spread):.0f} % of the probabilities lie between 0.05 and 0.95\n"
    )
    print(
        "| implementation | max difference | mean | frames > 1e-4 | least IoU | mean IoU "
        "| J of the annotation |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, one in found.items():
        print(one.agreement.row(f"{name}, against {one.against}"))


if __name__ == "__main__":
    main()
