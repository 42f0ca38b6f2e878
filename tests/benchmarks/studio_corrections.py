"""Measure what clicks of the studio make of wrong masks, on clips with true masks.

The wrong masks are those of a segmenter that was given the true boxes. Then somebody clicks in
the middle of the largest error, three times.

    python tests/benchmarks/studio_corrections.py DAVIS [--anywhere] [--clicks 3]

``DAVIS`` has the folders ``JPEGImages/480p`` and ``Annotations/480p``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from videoseg_studio.editing import EditStages
from videoseg_studio.editing.clicks import mask_of_clicks

import videoseg as vs
from videoseg.masks import bounding_box
from videoseg.types import BoolArray, Point, Prompt

_MOST_OBJECTS = 2
_WORSE = 0.01
"""A click that costs more of the region measure than this made the mask worse."""


def find_cases(root: Path) -> Iterator[tuple[vs.Video, int, BoolArray]]:
    """Yield videos, frames and true masks: of the first and the middle frame of each clip."""
    for folder in sorted((root / "JPEGImages/480p").iterdir()):
        with vs.Video.open(folder) as video:
            for frame in (0, len(video) // 2):
                path = root / "Annotations/480p" / folder.name / f"{frame:05d}.png"
                ids = np.array(Image.open(path))
                for value in [value for value in np.unique(ids) if value][:_MOST_OBJECTS]:
                    yield video, frame, ids == value


def find_click(mask: BoolArray, truth: BoolArray, *, anywhere: bool) -> tuple[bool, Point] | None:
    """Return a place in the largest error, and whether it is missing; None without an error.

    Args:
        mask: The mask, shape (H, W).
        truth: The true mask.
        anywhere: Any place at least half as deep in the error as its middle, not the middle.
    """
    largest, click = 0, None
    for is_missing, wrong in ((True, truth & ~mask), (False, mask & ~truth)):
        _, labels, measures, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
        for label, area in enumerate(measures[1:, cv2.CC_STAT_AREA], start=1):
            if area > largest:
                inside = np.pad((labels == label).astype(np.uint8), 1)
                depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
                depth = depth[1:-1, 1:-1]
                places = np.argwhere(depth >= (0.5 if anywhere else 1.0) * depth.max())
                chosen = np.random.default_rng(len(places)).integers(len(places))
                row, column = places[chosen if anywhere else 0]
                largest, click = area, (is_missing, Point(column + 0.5, row + 0.5))
    return click


def region_j(mask: BoolArray, truth: BoolArray) -> float:
    """Return intersection over union."""
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def main() -> None:
    """Run all cases and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path)
    parser.add_argument("--pipeline", default="attributes")
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--anywhere", action="store_true", help="not in the very middle")
    options = parser.parse_args()
    stages = EditStages(vs.Pipeline.from_name(options.pipeline))
    scores, seconds = [], []
    for video, frame, truth in find_cases(options.davis):
        base = stages.segment(video, Prompt(1, frame, box=bounding_box(truth)))
        mask = base.decode()
        places: dict[bool, list[Point]] = {True: [], False: []}
        row = [region_j(mask, truth)]
        for _ in range(options.clicks):
            click = find_click(mask, truth, anywhere=options.anywhere)
            if click is not None:
                places[click[0]].append(click[1])
                begin = time.process_time()
                mask = mask_of_clicks(
                    partial(stages.segment, video),
                    video.size,
                    image=partial(video.__getitem__, frame),
                    object_id=1,
                    frame=frame,
                    points=places[True],
                    negative_points=places[False],
                    base=base,
                ).decode()
                seconds.append(time.process_time() - begin)
            row.append(region_j(mask, truth))
        print(video.name, frame, " ".join(f"{score:.3f}" for score in row), flush=True)
        scores.append(row)
    means = " ".join(f"{score:.3f}" for score in np.mean(scores, axis=0))
    worse = int((np.diff(scores, axis=1) < -_WORSE).sum())
    print(f"mean J before and after each click: {means}")
    print(f"{worse} of {len(seconds)} clicks made a mask worse; {np.median(seconds):.2f} s each")


if __name__ == "__main__":
    main()
