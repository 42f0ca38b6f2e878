"""Score the propagator ``flow`` on DAVIS sequences, from the true first-frame masks.

Run from the repository root:

    python tests/benchmarks/flow_davis.py --data DATA

Prints a Markdown table. J and F are in percent, over all frames but the first and the last
(the DAVIS semi-supervised protocol) and averaged over a sequence's objects. Seconds include
decoding the JPEG frames and making full-resolution masks, not scoring.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.metrics import boundary_f, region_j
from videoseg.stages import Propagator
from videoseg.types import Prompt, Rle
from videoseg.video import Video


def read_annotations(folder: Path) -> np.ndarray:
    """Return the label map of every frame, (T, H, W); 0/255 masks become 0/1."""
    maps = []
    for path in sorted(folder.glob("*.png")):
        labels = np.array(Image.open(path))
        maps.append(labels[..., 0] if labels.ndim == 3 else labels)
    stacked = np.stack(maps)
    return (stacked > 0).astype(np.uint8) if stacked.max() == 255 else stacked


@dataclass(frozen=True)
class Followed:
    """A sequence's annotation, and the masks propagated from its first frame.

    Args:
        labels: Number of the object at each pixel of each frame, (T, H, W).
        masks: Of each object, (T, H, W) bool.
        seconds: Wall time.
        processor_seconds: CPU time of all cores.
    """

    labels: np.ndarray
    masks: dict[int, np.ndarray]
    seconds: float
    processor_seconds: float

    def quality(self) -> tuple[list[float], list[float]]:
        """Return J and F of each object, as DAVIS defines them."""
        scored = slice(1, -1)
        pairs = [(masks[scored], self.labels[scored] == i) for i, masks in self.masks.items()]
        return (
            [float(region_j(masks, truth).mean()) for masks, truth in pairs],
            [float(boundary_f(masks, truth).mean()) for masks, truth in pairs],
        )


def follow_sequence(data: Path, sequence: str, propagator: Propagator) -> Followed:
    """Propagate the annotation of a sequence's first frame."""
    labels = read_annotations(data / "davis" / "Annotations" / "480p" / sequence)
    object_ids = [int(value) for value in np.unique(labels[0]) if value > 0]
    video = Video.open(data / "davis" / "JPEGImages" / "480p" / sequence)
    predicted = {object_id: np.zeros(labels.shape, dtype=bool) for object_id in object_ids}
    wall, cpu = time.perf_counter(), time.process_time()
    with propagator.open(video) as session:
        for object_id in object_ids:
            session.prompt(Prompt(object_id, 0, mask=Rle.encode(labels[0] == object_id)))
        for frame_masks in session.run():
            for object_id, mask in frame_masks.masks.items():
                predicted[object_id][frame_masks.frame] = mask
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Followed(labels, predicted, wall, cpu)


def score_sequence(data: Path, sequence: str, propagator: FlowPropagator) -> dict:
    """Propagate one sequence and score it."""
    followed = follow_sequence(data, sequence, propagator)
    labels = followed.labels
    region, boundary = followed.quality()
    return {
        "sequence": sequence,
        "num_frames": len(labels),
        "num_objects": len(followed.masks),
        "size": list(labels.shape[1:]),
        "j": float(np.mean(region)),
        "f": float(np.mean(boundary)),
        "j_per_object": region,
        "frames_per_second": len(labels) / followed.seconds,
        "cpu_seconds_per_frame": followed.processor_seconds / len(labels),
    }


def main() -> None:
    """Score the sequences asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequences", nargs="*", help="default: all with annotations")
    parser.add_argument("--causal", action="store_true", help="never look ahead")
    parser.add_argument("--flow-scale", type=float, default=None)
    parser.add_argument("--preset", default="fine")
    parser.add_argument("--json", type=Path, help="also write the rows as JSON")
    options = parser.parse_args()
    folder = options.data / "davis" / "Annotations" / "480p"
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder; name the data folder with --data")
    sequences = options.sequences or sorted(path.name for path in folder.iterdir())
    propagator = FlowPropagator(
        flow_scale=options.flow_scale, preset=options.preset, causal=options.causal
    )
    print("| sequence | objects | J | F | frames/s | CPU ms/frame |")
    print("|---|---|---|---|---|---|")
    rows = []
    for sequence in sequences:
        row = score_sequence(options.data, sequence, propagator)
        rows.append(row)
        each = " ".join(f"{100 * value:.0f}" for value in row["j_per_object"])
        each = f" ({each})" if row["num_objects"] > 1 else ""
        print(
            f"| {sequence} | {row['num_objects']} | {100 * row['j']:.1f}{each} "
            f"| {100 * row['f']:.1f} | {row['frames_per_second']:.1f} "
            f"| {1000 * row['cpu_seconds_per_frame']:.0f} |",
            flush=True,
        )
    single = [row for row in rows if row["num_objects"] == 1]
    if single:
        means = {key: np.mean([row[key] for row in single]) for key in ("j", "f")}
        frames = sum(row["num_frames"] for row in single)
        seconds = sum(row["num_frames"] / row["frames_per_second"] for row in single)
        print(
            f"| **mean, one object** | | **{100 * means['j']:.1f}** | **{100 * means['f']:.1f}** "
            f"| {frames / seconds:.1f} | |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
