"""Tell what bfloat16 does to the masks of the propagator ``xmem``, and what it saves.

Run from the repository root:

    python tests/benchmarks/xmem_precision.py XMem.pth --data ../shared/data

Follows the objects of annotated clips from the first frame on, in float32 and in bfloat16.
Prints a Markdown table: how the masks of the two agree (intersection over union on each frame,
of each object), J and F of each against the annotation, and how much faster bfloat16 was. Any
checkpoint will do that segments: a published one, or what ``xmem_training.py`` writes.

Where the processor or GPU does not multiply bfloat16 numbers itself, convolutions are computed
from bfloat16 numbers with sums in float32, which gives the masks, but no speed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

import numpy as np
from flow_davis import Followed, follow_sequence
from videoseg_xmem import XMemPropagator
from xmem_fitted import quick_bfloat16

from videoseg.devices import multiplies_bfloat16, pick_device
from videoseg.metrics import region_j


def agreement(one: Followed, other: Followed) -> np.ndarray:
    """Return the intersection over union of each object on each frame but the first."""
    return np.concatenate(
        [region_j(other.masks[number][1:], masks[1:]) for number, masks in one.masks.items()]
    )


def quality(followed: Followed) -> str:
    """Return J and F in percent, averaged over the objects."""
    region, boundary = followed.quality()
    return f"{100 * np.mean(region):.1f} / {100 * np.mean(boundary):.1f}"


def main() -> None:
    """Follow the sequences in both types and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequences", nargs="*", help="default: all with annotations")
    parser.add_argument("--size", type=int, default=480, help="short side as the network sees it")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    folder = options.data / "davis" / "Annotations" / "480p"
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder; name the data folder with --data")
    native = multiplies_bfloat16(pick_device(options.device))
    context = contextlib.nullcontext if native else quick_bfloat16
    float32, bfloat16 = (
        XMemPropagator(
            checkpoint=options.checkpoint,
            size=options.size,
            device=options.device,
            precision=precision,
        )
        for precision in ("float32", "bfloat16")
    )
    print("| sequence | mean IoU | least IoU | J&F float32 | J&F bfloat16 | times as fast |")
    print("|---|---|---|---|---|---|")
    everything = []
    for sequence in options.sequences or sorted(path.name for path in folder.iterdir()):
        exact = follow_sequence(options.data, sequence, float32)
        with context():
            rounded = follow_sequence(options.data, sequence, bfloat16)
        ious = agreement(exact, rounded)
        everything.append(ious)
        speed = f"{exact.seconds / rounded.seconds:.2f}" if native else "not measured"
        print(
            f"| {sequence} | {ious.mean():.4f} | {ious.min():.4f} | {quality(exact)} "
            f"| {quality(rounded)} | {speed} |",
            flush=True,
        )
    joined = np.concatenate(everything)
    print(f"| all | {joined.mean():.4f} | {joined.min():.4f} | | | |")


if __name__ == "__main__":
    main()
