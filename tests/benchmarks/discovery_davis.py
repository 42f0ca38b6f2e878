"""Score "the main moving object" on DAVIS sequences, without a prompt.

Run from the repository root:

    python tests/benchmarks/discovery_davis.py --data DATA

The most salient candidate of a survey is cut out of its best keyframe and propagated both ways
by ``flow``. Prints a Markdown table: intersection over union of box and mask on the
keyframe; J and F over all frames but the first and the last, all in percent. For sequences
with several objects, and with ``--clips`` for rendered clips, it prints how well the
candidates cover each object: the best intersection over union of its boxes on one surveyed
frame, and the fraction of the surveyed frames on which the masks overlap by at least 0.7.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_attributes.grounding.prompts import choose_positions, refine_on_frame
from videoseg_attributes.propagation.flow import FlowPropagator
from videoseg_attributes.regions.survey import Candidate, Survey, survey_window
from videoseg_synthetic import make_clip

from videoseg.metrics import boundary_f, region_j
from videoseg.types import Box, Prompt, Rle, Window
from videoseg.video import Video


def read_labels(folder: Path) -> np.ndarray:
    """Return the label map of every frame, (T, H, W); 0/255 masks become 0/1."""
    maps = []
    for path in sorted(folder.glob("*.png")):
        labels = np.array(Image.open(path))
        maps.append(labels[..., 0] if labels.ndim == 3 else labels)
    stacked = np.stack(maps)
    return (stacked > 0).astype(np.uint8) if stacked.max() == 255 else stacked


def box_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the overlap of the boxes around two masks of one size."""
    boxes = [Rle.encode(mask).box for mask in (first, second)]
    if boxes[0] is None or boxes[1] is None:
        return 0.0
    one, other = boxes
    assert isinstance(one, Box) and isinstance(other, Box)
    return one.iou(other)


def mask_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the overlap of two masks of one size; 1 if both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def enlarged(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask at another (height, width)."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.array(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)) >= 128


def score_main_object(video: Video, truth: np.ndarray) -> dict[str, float]:
    """Find and propagate the main moving object; truth has shape (T, H, W)."""
    started = time.process_time()
    survey = survey_window(video, window=Window(0, len(video)))
    survey_seconds = time.process_time() - started
    candidate = survey.candidates[0]
    frame = survey.frames[choose_positions(survey, [candidate])[0]]
    refined = refine_on_frame(video, survey, candidate, frame=frame)
    assert refined is not None
    prompt = Prompt(1, frame, mask=Rle.encode(refined.mask))
    predicted = np.zeros(truth.shape, dtype=bool)
    with FlowPropagator().open(video) as session:
        session.prompt(prompt)
        for direction in ("backward", "forward"):
            for masks in session.run(direction):
                predicted[masks.frame] = masks.masks[1]
    scored = slice(1, -1)
    return {
        "keyframe": frame,
        "box": box_iou(refined.mask, truth[frame]),
        "mask": mask_iou(refined.mask, truth[frame]),
        "rough": mask_iou(
            enlarged(candidate.masks[survey.frames.index(frame)].decode(), video.size),
            truth[frame],
        ),
        "j": float(region_j(predicted[scored], truth[scored]).mean()),
        "f": float(boundary_f(predicted[scored], truth[scored]).mean()),
        "survey_seconds": survey_seconds,
    }


def coverage(
    survey: Survey, true_mask: Callable[[int, int], np.ndarray], object_ids: list[int]
) -> dict[int, tuple[float, float]]:
    """Return each object's best box overlap and fraction of frames with mask overlap >= 0.7."""
    found = {}
    for object_id in object_ids:
        scores = [_cover(survey, c, true_mask, object_id) for c in survey.candidates]
        found[object_id] = (
            max((score[0] for score in scores), default=0.0),
            max((score[1] for score in scores), default=0.0),
        )
    return found


def _cover(
    survey: Survey,
    candidate: Candidate,
    true_mask: Callable[[int, int], np.ndarray],
    object_id: int,
) -> tuple[float, float]:
    best, good, seen = 0.0, 0, 0
    for position, frame in enumerate(survey.frames):
        truth = true_mask(object_id, frame)
        if truth.sum() < 0.0005 * truth.size:
            continue
        seen += 1
        mask = candidate.mask(position)
        if mask is None:
            continue
        full = enlarged(mask, survey.source_size)
        best = max(best, box_iou(full, truth))
        good += mask_iou(full, truth) >= 0.7
    return best, good / max(1, seen)


def main() -> None:
    """Score the sequences asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--sequences", nargs="*", help="default: all with annotations")
    parser.add_argument("--clips", type=int, default=0, help="number of rendered clips")
    options = parser.parse_args()
    folder = options.data / "davis"
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder; name the data folder with --data")
    names = options.sequences
    if names is None:
        names = sorted(path.name for path in (folder / "Annotations" / "480p").iterdir())
    print("| sequence | keyframe | box | mask | survey's mask | J | F | survey, CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    rows, covered = [], []
    for name in names:
        labels = read_labels(folder / "Annotations" / "480p" / name)
        video = Video.open(folder / "JPEGImages" / "480p" / name)
        object_ids = [int(value) for value in np.unique(labels) if value > 0]
        if len(object_ids) > 1:
            survey = survey_window(video, window=Window(0, len(video)))
            scores = coverage(survey, lambda i, frame, of=labels: of[frame] == i, object_ids)
            covered += [(f"{name} {key}", *value) for key, value in scores.items()]
            continue
        row = score_main_object(video, labels > 0)
        rows.append(row)
        numbers = " | ".join(f"{100 * row[key]:.1f}" for key in ("box", "mask", "rough", "j", "f"))
        print(
            f"| {name} | {row['keyframe']} | {numbers} | {row['survey_seconds']:.1f} |", flush=True
        )
    if rows:
        keys = ("box", "mask", "rough", "j", "f")
        means = " | ".join(f"**{100 * np.mean([row[key] for row in rows]):.1f}**" for key in keys)
        print(f"| **mean** | | {means} | |")
    for seed in range(options.clips):
        clip = make_clip(seed=seed)
        survey = survey_window(clip.video, window=Window(0, len(clip.video)))
        scores = coverage(
            survey, lambda i, frame, of=clip: of.masks(i)[frame], list(clip.object_ids)
        )
        covered += [(f"clip {seed} object {key}", *value) for key, value in scores.items()]
    if covered:
        print("\n| object | best box | frames with mask IoU >= 0.7 |\n|---|---|---|")
        for name, box, share in covered:
            print(f"| {name} | {100 * box:.0f} | {100 * share:.0f} |")
        print(f"| **mean** | | **{100 * np.mean([row[2] for row in covered]):.0f}** |")


if __name__ == "__main__":
    main()
