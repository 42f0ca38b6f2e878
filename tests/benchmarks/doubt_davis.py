"""How often the measures of ``on-doubt`` doubt true masks, and what asking again gains.

Gives the origin of the thresholds in ``videoseg_wrappers.doubt``.

    python tests/benchmarks/doubt_davis.py DAVIS --measures
    python tests/benchmarks/doubt_davis.py DAVIS [CLIP ...] [--lines 160]

DAVIS is the folder of the dataset (``JPEGImages/480p``, ``Annotations/480p``). The first call
prints quantiles of each measure over the true masks. The second propagates from the true mask of
the first frame, with and without ``on-doubt``, whose questions are answered with the truth: each
clip as it is, and with the object behind a grey bar on 8 frames.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_wrappers import ObjectWatch, OnDoubtPropagator, Thresholds
from videoseg_wrappers.doubt import color_histogram, likeness, wholeness

import videoseg as vs
from videoseg.masks import iou
from videoseg.metrics import boundary_f, region_j
from videoseg.types import FrameSelection, Rle

QUANTILES = (0.001, 0.01, 0.05, 0.5)


def read_clip(davis: Path, name: str, lines: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (T, H, W, 3) and the union of the true masks (T, H, W)."""
    frames, masks = [], []
    for path in sorted((davis / "JPEGImages/480p" / name).glob("*.jpg")):
        truth = Image.open(davis / "Annotations/480p" / name / f"{path.stem}.png")
        image = Image.open(path)
        scale = lines / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        frames.append(np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX)))
        masks.append(np.asarray(truth.resize(size, Image.Resampling.NEAREST)) > 0)
    return np.stack(frames), np.stack(masks)


def measure(frames: np.ndarray, masks: np.ndarray) -> Iterator[tuple[str, float]]:
    """Yield the name and the value of each measure on each frame of true masks."""
    areas: deque[int] = deque(maxlen=8)
    references = [color_histogram(frames[0], masks[0])]
    last = masks[0]
    for index in range(1, len(masks)):
        mask = masks[index]
        area = int(mask.sum())
        if not area:
            continue
        if last.any():
            yield "overlap", iou(last, mask)
        border = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        if len(areas) >= 4 and not border:
            usual = float(np.median(areas))
            yield "growth", min(area / usual, usual / area)
        if area >= 16:
            yield "wholeness", wholeness(mask)
            here = color_histogram(frames[index], mask)
            yield "likeness", max(likeness(here, one) for one in references)
            if index % 10 == 0:
                references = [references[0], *references[1:][-2:], here]
        areas.append(area)
        last = mask


def print_measures(davis: Path, names: list[str], lines: int) -> None:
    """Print quantiles of the measures, and how often the default thresholds doubt true masks."""
    values: dict[str, list[float]] = {}
    others: list[float] = []
    num_doubts: dict[str, int] = {}
    num_frames = 0
    for name in names:
        frames, masks = read_clip(davis, name, lines)
        for measure_name, value in measure(frames, masks):
            values.setdefault(measure_name, []).append(value)
        reference = color_histogram(frames[0], masks[0])
        for frame, mask in zip(frames, masks, strict=True):
            # What a lost tracker may hold: a piece of the ground of the object's size.
            moved = np.roll(mask, mask.shape[1] // 2, axis=1) & ~mask
            if moved.sum() >= 16:
                others.append(likeness(color_histogram(frame, moved), reference))
        watch = ObjectWatch(Thresholds())
        watch.begin(frames[0], masks[0])
        for frame, mask in zip(frames[1:], masks[1:], strict=True):
            doubt = watch.find_doubt(frame, mask)
            if doubt is not None:
                num_doubts[doubt.cause] = num_doubts.get(doubt.cause, 0) + 1
            watch.keep(frame, mask, trusted=doubt is None)
            num_frames += 1
    print(f"{'measure':<12}" + "".join(f"{q:>8.1%}" for q in QUANTILES))
    for measure_name, found in values.items():
        row = "".join(f"{np.quantile(found, q):8.3f}" for q in QUANTILES)
        print(f"{measure_name:<12}{row}   of {len(found)}")
    row = "".join(f"{np.quantile(others, q):8.3f}" for q in (0.05, 0.5, 0.95, 0.99))
    print(f"likeness of ground beside the object, 5, 50, 95, 99 %: {row}")
    print(f"true masks in doubt: {num_doubts} of {num_frames} frames")


class First:
    """Shows the first frame, or the keyframe that is asked for."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        keyframe = window.start if keyframe is None else keyframe
        return FrameSelection.of([keyframe], window=window, keyframe=keyframe)


class Oracle:
    """Answers with the true mask, of the nearest frame of the window if it is hidden.

    It counts how often it is asked after the first answer.
    """

    def __init__(self, masks: np.ndarray) -> None:
        self.masks, self.num_asked = masks, -1

    def step(self, episode):
        self.num_asked += 1
        frame = episode.selection.keyframe
        if not self.masks[frame].any():
            seen = [index for index in episode.selection.window if self.masks[index].any()]
            if not seen:
                return vs.Grounding(None)
            frame = min(seen, key=lambda index: abs(index - frame))
        return vs.Grounding(frame, (vs.Prompt(1, frame, mask=Rle.encode(self.masks[frame])),))


def hide(frames: np.ndarray, masks: np.ndarray, start: int, stop: int) -> tuple:
    """Cover the object by a grey bar on some frames, as if it went behind one."""
    frames, masks = frames.copy(), masks.copy()
    for index in range(start, min(stop, len(frames))):
        columns = np.flatnonzero(masks[index].any(axis=0))
        if len(columns):
            left, right = max(0, columns[0] - 8), columns[-1] + 8
            frames[index][:, left:right] = 96
            masks[index] = False
    return frames, masks


def score(result: vs.Segmentation, truth: np.ndarray) -> float:
    """Return J&F of the union of the objects."""
    masks = np.stack([result.mask(index) for index in range(len(truth))])
    return 50 * float(region_j(masks, truth).mean() + boundary_f(masks, truth).mean())


def print_gains(davis: Path, names: list[str], lines: int, propagator: str, only: str) -> None:
    """Print J&F without and with asking, as the clips are and with an occlusion."""
    print(f"{'clip':<14}{'case':<10}{'alone':>8}{'on-doubt':>10}{'asks':>6}{'s alone':>9}{'s':>7}")
    sums: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        clean = read_clip(davis, name, lines)
        third = len(clean[0]) // 3
        cases = {"as it is": clean, "hidden": hide(*clean, third, third + 8)}
        for case, (frames, masks) in cases.items():
            if only not in ("", case):
                continue
            video = vs.Video.from_frames(frames, fps=24, name=name)
            scores, seconds, asks = [], [], 0
            for wrapped in (False, True):
                oracle = Oracle(masks)
                made = vs.default_registry().build("propagator", propagator)
                used = OnDoubtPropagator(propagator=made) if wrapped else made
                begin = time.perf_counter()
                result = vs.Pipeline(First(), oracle, used)(video, "the object")
                seconds.append(time.perf_counter() - begin)
                scores.append(score(result, masks))
                asks = oracle.num_asked
            sums.setdefault(case, []).append((scores[0], scores[1]))
            print(
                f"{name:<14}{case:<10}{scores[0]:8.1f}{scores[1]:10.1f}{asks:6d}"
                f"{seconds[0]:9.1f}{seconds[1]:7.1f}",
                flush=True,
            )
            for warning in result.warnings:
                print(f"    {warning}")
    for case, pairs in sums.items():
        before, after = np.mean(pairs, axis=0)
        print(f"{'mean':<14}{case:<10}{before:8.1f}{after:10.1f}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path)
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--measures", action="store_true")
    parser.add_argument("--lines", type=int, default=240, help="the shorter side in pixels")
    parser.add_argument("--case", default="", help="'as it is' or 'hidden'; by default both")
    parser.add_argument("--propagator", default="flow")
    options = parser.parse_args()
    folder = options.davis / "JPEGImages/480p"
    names = options.clips or sorted(path.name for path in folder.iterdir())
    if options.measures:
        print_measures(options.davis, names, options.lines)
    else:
        print_gains(options.davis, names, options.lines, options.propagator, options.case)


if __name__ == "__main__":
    main()
