"""Compare the speed of J and F with the official DAVIS package, and check that they agree.

    python tests/benchmarks/metrics_speed.py --data DIR --reference DIR [--workers N]

``--data`` is the folder of test data (DAVIS clips and result masks), ``--reference`` a checkout
of davis2017-evaluation. Both packages score the same masks in turns, in one process; for each
the best of several rounds counts. Clips without result masks are scored against the truth of
the frame before. The last table scores encoded masks in several processes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
import types
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videoseg.metrics import best_assignment, protocol_named, score_sample, tally
from videoseg.types import Rle

TOLERANCE = 0.008


@dataclass(frozen=True)
class Clip:
    """One object of one clip: predicted and true masks, shape (T, H, W)."""

    name: str
    pred: np.ndarray
    target: np.ndarray

    @property
    def is_480p(self) -> bool:
        return self.target.shape[1] == 480

    def inverted(self) -> Clip:
        """Return the background as the object: its box is the whole frame."""
        return Clip(f"{self.name}, inverted", ~self.pred, ~self.target)


def read_clip(data: Path, name: str) -> Clip:
    """Read one clip with the published result masks, or with the truth of the frame before."""
    from PIL import Image

    files = sorted((data / "davis/Annotations/480p" / name).glob("*.png"))
    truth = np.stack([np.array(Image.open(file)) for file in files])
    target = truth == 1 if (truth == 1).any() else truth > 127
    results = data / "results/osvos" / name
    if not results.is_dir():
        return Clip(name, np.concatenate([target[:1], target[:-1]]), target)
    size = (target.shape[2], target.shape[1])
    found = [
        np.array(Image.open(results / file.name).resize(size, Image.Resampling.NEAREST))
        for file in files
    ]
    return Clip(name, np.stack(found) == 1, target)


def official_measures(reference: Path) -> tuple[Callable, Callable]:
    """Return J and F of the official package, given what it expects of old libraries."""
    for alias, kind in (("int", int), ("float", float), ("bool", bool)):
        if alias not in vars(np):
            setattr(np, alias, kind)
    try:
        import skimage.morphology  # noqa: F401
    except ImportError:
        morphology = types.ModuleType("skimage.morphology")
        morphology.disk = disk
        sys.modules["skimage"] = types.ModuleType("skimage")
        sys.modules["skimage.morphology"] = morphology
    sys.path.insert(0, str(reference))
    from davis2017.metrics import db_eval_boundary, db_eval_iou

    return db_eval_iou, db_eval_boundary


def disk(radius: float) -> np.ndarray:
    """Return a disk as scikit-image draws it."""
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps[None] ** 2 <= radius**2).astype(np.uint8)


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """Return how long some work takes, and what it returns."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def encode(masks: np.ndarray) -> list[Rle]:
    """Encode masks of shape (T, H, W)."""
    return [Rle.encode(mask) for mask in masks]


def compare(clips: Iterable[Clip], official: tuple[Callable, Callable], rounds: int) -> float:
    """Print frames per second on each clip, and return the speed-up over all of them."""
    eval_j, eval_f = official
    print(f"{'clip':22s}{'frames':>7s}{'official':>10s}{'dense':>9s}{'':>8s}{'encoded':>9s}")
    total = np.zeros(3)
    for clip in clips:
        encoded = encode(clip.pred), encode(clip.target)
        ways: list[Callable[[], object]] = [
            lambda clip=clip: (eval_j(clip.target, clip.pred), eval_f(clip.target, clip.pred)),
            lambda clip=clip: tally(clip.pred, clip.target, tolerance=TOLERANCE),
            lambda encoded=encoded: tally(*encoded, tolerance=TOLERANCE),
        ]
        best = np.full(3, np.inf)
        for _ in range(rounds):
            taken, results = zip(*[seconds(way) for way in ways], strict=True)
            best = np.minimum(best, taken)
        for found in results[1:]:
            assert np.abs(found.region - results[0][0]).max() < 1e-12
            assert np.abs(found.boundary - results[0][1]).max() < 1e-12
        total += best
        speed = len(clip.target) / best
        print(
            f"{clip.name:22s}{len(clip.target):7d}{speed[0]:8.0f}/s{speed[1]:7.0f}/s"
            f"{speed[1] / speed[0]:7.1f}x{speed[2]:7.0f}/s{speed[2] / speed[0]:7.1f}x"
        )
    print(f"{'together':22s}{total[0] / total[1]:34.1f}x{total[0] / total[2]:16.1f}x\n")
    return float(total[0] / total[1])


def check_unsupervised(clips: list[Clip], official: tuple[Callable, Callable]) -> None:
    """Check that matching by the mean of J and F chooses what the official package chooses."""
    eval_j, eval_f = official
    size = min(len(clip.target) for clip in clips)
    truth = [clip.target[:size] for clip in clips]
    pred = [clip.pred[:size] for clip in clips[::-1]]
    pairs = [[(eval_j(t, p), eval_f(t, p)) for p in pred] for t in truth]
    quality = np.array([[(j.mean() + f.mean()) / 2 for j, f in row] for row in pairs])
    score = score_sample(
        {key: encode(masks) for key, masks in enumerate(pred)},
        {key: encode(masks) for key, masks in enumerate(truth)},
        size=truth[0].shape[1:],
        protocol=protocol_named("davis-2017-unsupervised"),
    )
    for found, (row, column) in zip(score.objects, best_assignment(quality), strict=True):
        j, f = pairs[row][column]
        assert found.predicted_id == column
        assert np.abs(np.array(found.j_per_frame) - j).max() < 1e-12
        assert np.abs(np.array(found.f_per_frame) - f).max() < 1e-12
    print(f"unsupervised matching of {len(truth)} objects: the same objects, the same values\n")


def score_encoded(masks: tuple[list[Rle], list[Rle]]) -> int:
    """Score one encoded sequence; return its number of frames."""
    return len(tally(*masks, tolerance=TOLERANCE))


def scaling(clips: list[Clip], max_workers: int) -> None:
    """Print how frames per second grow with the number of processes."""
    jobs = [(encode(clip.pred), encode(clip.target)) for clip in clips] * 12
    print(f"{'workers':>8s}{'frames/s':>10s}   ({os.cpu_count()} cores)")
    alone = 0.0
    for workers in sorted({1, *(2**power for power in range(1, 8)), max_workers}):
        if workers > max_workers:
            continue
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(score_encoded, jobs[: 2 * workers]))
            taken, frames = seconds(lambda pool=pool: sum(pool.map(score_encoded, jobs)))
        speed = frames / taken
        alone = alone or speed
        print(f"{workers:8d}{speed:10.0f}{speed / alone:7.2f}x")
    print()


def memory(clip: Clip) -> None:
    """Print the peak memory of scoring encoded masks of short and long sequences."""
    pred, target = encode(clip.pred), encode(clip.target)
    tally(pred, target, tolerance=TOLERANCE)
    for repeats in (1, 4, 16):
        tracemalloc.start()
        tally(pred * repeats, target * repeats, tolerance=TOLERANCE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        dense = 2 * repeats * clip.target.nbytes
        print(
            f"{repeats * len(pred):6d} frames, encoded: peak {peak / 1e6:5.2f} MB "
            f"(dense masks alone would be {dense / 1e6:.0f} MB)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of test data")
    parser.add_argument("--reference", type=Path, required=True, help="davis2017-evaluation")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    official = official_measures(arguments.reference)
    folders = sorted((arguments.data / "davis/Annotations/480p").iterdir())
    clips = [read_clip(arguments.data, folder.name) for folder in folders]
    large = [clip for clip in clips if clip.is_480p]
    print("J and F, 480p")
    usual = compare(large, official, arguments.rounds)
    print("J and F, 480p, the object fills the frame")
    filling = compare([clip.inverted() for clip in large], official, arguments.rounds)
    if len(large) < len(clips):
        print("J and F, smaller frames")
        compare([clip for clip in clips if not clip.is_480p], official, arguments.rounds)
    check_unsupervised(large[:3], official)
    scaling(large, arguments.workers)
    memory(large[0])
    print(
        f"\n{'reached' if usual >= 10 else 'MISSED'}: {usual:.1f} times as fast (at least 10)"
        f"\n{'reached' if filling >= 3 else 'MISSED'}: {filling:.1f} times as fast where the "
        "object fills the frame (at least 3)"
    )


if __name__ == "__main__":
    main()
