"""Score the pipeline ``names`` on DAVIS sequences with queries that name the thing.

Run from the repository root:

    python tests/benchmarks/names.py --data DATA --checkpoint yolox_nano.onnx

Prints a Markdown table: the status of each answer, J, F and J&F in percent over all frames but
the first and the last, and frames per second of everything. Where a query asks for several
objects, their union is scored. "--without" runs the pipeline ``attributes``, which knows no nouns.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

import videoseg as vs
from videoseg.metrics import boundary_f, region_j

QUERIES: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("blackswan", "the swan", ()),
    ("camel", "the camel", ()),
    ("camel", "the largest animal", ()),
    ("car-shadow", "the car", ()),
    ("dance-twirl", "the dancer", ()),
    ("dog", "the dog", ()),
    ("rollerblade", "the person on roller skates", ()),
    ("dogs-jump", "the woman", (3,)),
    ("dogs-jump", "both dogs", (1, 2)),
    ("dogs-jump", "the woman and both dogs", (1, 2, 3)),
)
"""Sequence, query, and the numbers of the objects meant; none for all of the foreground."""
KNOWN = {query for _, query, _ in QUERIES} - {"the camel"}
"""Queries whose nouns the detector knows."""


def read_masks(folder: Path, numbers: tuple[int, ...]) -> np.ndarray:
    """Return the objects of these numbers, or all of the foreground, shape (T, H, W)."""
    masks = []
    for path in sorted(folder.glob("*.png")):
        labels = np.array(Image.open(path))
        labels = labels[..., 0] if labels.ndim == 3 else labels
        masks.append(np.isin(labels, numbers) if numbers else labels > 0)
    return np.stack(masks)


def make_pipeline(checkpoint: str | None) -> vs.Pipeline:
    """Return the pipeline ``names`` with a file of YOLOX, or ``attributes`` without one."""
    if checkpoint is None:
        return vs.Pipeline.from_name("attributes")
    detector = {"name": "yolox", "options": {"checkpoint": checkpoint, "min_score": 0.1}}
    return vs.Pipeline.from_name("names").replace(grounder=vs.use("attributes", detector=detector))


def score_query(
    pipe: vs.Pipeline, data: Path, sequence: str, query: str, numbers: tuple[int, ...]
) -> dict[str, object]:
    """Run one query and score it."""
    truth = read_masks(data / "davis" / "Annotations" / "480p" / sequence, numbers)
    began = time.perf_counter()
    result = pipe(data / "davis" / "JPEGImages" / "480p" / sequence, query)
    seconds = time.perf_counter() - began
    row = {"status": result.status, "fps": len(truth) / seconds, "j": 0.0, "f": 0.0}
    if result.tracks:
        masks = np.any([track.dense() for track in result.tracks], axis=0)[1:-1]
        row["j"] = 100 * float(region_j(masks, truth[1:-1]).mean())
        row["f"] = 100 * float(boundary_f(masks, truth[1:-1]).mean())
    return row


def main() -> None:
    """Score the queries and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--checkpoint", default="nano", help="a name or an ONNX file")
    parser.add_argument("--without", action="store_true", help="run the pipeline attributes")
    parser.add_argument("--sequences", nargs="*", default=None)
    options = parser.parse_args()
    pipe = make_pipeline(None if options.without else options.checkpoint)
    print("| sequence | query | status | J | F | J&F | frames/s |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for sequence, query, numbers in QUERIES:
        if options.sequences is not None and sequence not in options.sequences:
            continue
        row = score_query(pipe, options.data, sequence, query, numbers)
        if query in KNOWN:
            rows.append(row)
        print(
            f"| {sequence} | {query} | {row['status']} | {row['j']:.1f} | {row['f']:.1f} "
            f"| {(row['j'] + row['f']) / 2:.1f} | {row['fps']:.1f} |",
            flush=True,
        )
    j, f = (float(np.mean([row[key] for row in rows])) for key in ("j", "f"))
    print(f"| **mean of known nouns** | | | **{j:.1f}** | **{f:.1f}** | **{(j + f) / 2:.1f}** | |")


if __name__ == "__main__":
    main()
