"""Score "the main moving object" on DAVIS sequences, without a prompt.

Run from the repository root:

    python tests/benchmarks/discovery_davis.py --data DATA [--queries QUERY ...]

What the grounder ``attributes`` answers to each query is propagated both ways by ``flow``. Prints
a Markdown table for each query: intersection over union of box and mask on the keyframe; J and F
over all frames but the first and the last, all in percent; CPU seconds of the first query's
grounding, which includes the survey. Queries with the same answer are propagated once. For
sequences with several objects, and with ``--clips`` for rendered clips, it prints how well the
candidates cover each object: the best intersection over union of its boxes on one surveyed
frame, and the fraction of the surveyed frames on which the masks overlap by at least 0.7.
With ``--no-run`` nothing is propagated, and there is no J and F.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_attributes.grounding import AttributesGrounder
from videoseg_attributes.propagation.flow import FlowPropagator
from videoseg_attributes.regions.survey import Candidate, Survey, survey_window
from videoseg_synthetic import make_clip

from videoseg.metrics import boundary_f, region_j
from videoseg.pipeline import run_episode
from videoseg.samplers import UniformSampler
from videoseg.types import Box, Prompt, Rle, Window
from videoseg.video import Video

QUERIES = ("the main moving object", "the object that moves most", "the moving thing")
COLUMNS = ("box", "mask", "j", "f")


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


def answer(video: Video, query: str, grounder: AttributesGrounder) -> Prompt | None:
    """Return the first prompt of the answer to a query."""
    episode = run_episode(video, query, sampler=UniformSampler(), grounder=grounder)
    prompts = episode.grounding.prompts if episode.grounding is not None else ()
    return prompts[0] if prompts else None


def propagate(video: Video, prompt: Prompt, truth: np.ndarray) -> tuple[float, float]:
    """Return J and F of a prompt propagated both ways; truth has shape (T, H, W)."""
    predicted = np.zeros(truth.shape, dtype=bool)
    with FlowPropagator().open(video) as session:
        session.prompt(Prompt(1, prompt.frame, mask=prompt.mask))
        for direction in ("backward", "forward"):
            for masks in session.run(direction):
                predicted[masks.frame] = masks.masks[1]
    scored = slice(1, -1)
    return (
        float(region_j(predicted[scored], truth[scored]).mean()),
        float(boundary_f(predicted[scored], truth[scored]).mean()),
    )


def score_queries(
    video: Video, truth: np.ndarray, queries: Sequence[str], *, run: bool
) -> list[dict[str, float]]:
    """Answer each query and score what it finds; truth has shape (T, H, W)."""
    grounder = AttributesGrounder()
    known: dict[tuple[int, Rle | None], tuple[float, float]] = {}
    rows = []
    for query in queries:
        started = time.process_time()
        prompt = answer(video, query, grounder)
        seconds = time.process_time() - started
        if prompt is None or prompt.mask is None:
            rows.append(dict.fromkeys(COLUMNS, 0.0) | {"keyframe": -1, "seconds": seconds})
            continue
        mask = prompt.mask.decode()
        key = (prompt.frame, prompt.mask)
        if run and key not in known:
            known[key] = propagate(video, prompt, truth)
        j, f = known.get(key, (np.nan, np.nan))
        rows.append(
            {
                "keyframe": prompt.frame,
                "box": box_iou(mask, truth[prompt.frame]),
                "mask": mask_iou(mask, truth[prompt.frame]),
                "j": j,
                "f": f,
                "seconds": seconds,
            }
        )
    return rows


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
    parser.add_argument("--queries", nargs="+", default=list(QUERIES))
    parser.add_argument("--no-run", dest="run", action="store_false", help="do not propagate")
    parser.add_argument("--clips", type=int, default=0, help="number of rendered clips")
    options = parser.parse_args()
    folder = options.data / "davis"
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder; name the data folder with --data")
    names = options.sequences
    if names is None:
        names = sorted(path.name for path in (folder / "Annotations" / "480p").iterdir())
    rows: dict[str, list[tuple[str, dict[str, float]]]] = {query: [] for query in options.queries}
    covered = []
    for name in names:
        labels = read_labels(folder / "Annotations" / "480p" / name)
        video = Video.open(folder / "JPEGImages" / "480p" / name)
        object_ids = [int(value) for value in np.unique(labels) if value > 0]
        if len(object_ids) > 1:
            survey = survey_window(video, window=Window(0, len(video)))
            scores = coverage(survey, lambda i, frame, of=labels: of[frame] == i, object_ids)
            covered += [(f"{name} {key}", *value) for key, value in scores.items()]
            continue
        found = score_queries(video, labels > 0, options.queries, run=options.run)
        for query, row in zip(options.queries, found, strict=True):
            rows[query].append((name, row))
        print(f"{name}: done", file=sys.stderr, flush=True)
    for query, scored in rows.items():
        if not scored:
            continue
        print(f"\n{query}\n\n| sequence | keyframe | box | mask | J | F | grounding, CPU s |")
        print("|---|---|---|---|---|---|---|")
        for name, row in scored:
            numbers = " | ".join(f"{100 * row[key]:.1f}" for key in COLUMNS)
            print(f"| {name} | {row['keyframe']} | {numbers} | {row['seconds']:.1f} |")
        means = [100 * np.mean([row[key] for _, row in scored]) for key in COLUMNS]
        print(f"| **mean** | | {' | '.join(f'**{mean:.1f}**' for mean in means)} | |")
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
