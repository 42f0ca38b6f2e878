"""Score the rule "best box of the noun on one of 24 frames" on DAVIS sequences.

Run from the repository root:

    python tests/benchmarks/detectors_davis.py --data DATA --checkpoint yolox_nano.onnx

The detector ``yolox`` is asked for a noun on 24 frames; the box that scores highest becomes a mask
with ``cut`` and is propagated both ways with ``flow``. Nothing but the noun is judged. Prints a
Markdown table: the keyframe, the score of its box, its intersection over union with the true box;
J, F and J&F in percent over all frames but the first and the last; frames per second of
detection alone and of everything. A noun that the detector does not know, or does not find, scores
0.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_detectors import YoloxDetector

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg.types import Rle

NOUNS = {
    "blackswan": "swan",
    "camel": "camel",
    "car-shadow": "car",
    "dance-twirl": "dancer",
    "dog": "dog",
    "rollerblade": "skater",
}
NUM_FRAMES = 24


class BestBox:
    """A grounder: the box with the highest score on the frames shown, for a query of one noun."""

    def __init__(self, detector: vs.Detector) -> None:
        self.detector = detector
        self.seconds = 0.0

    def step(self, episode: vs.Episode) -> vs.Grounding:
        """Answer with the best box, or with nothing."""
        indices = episode.selection.indices
        frames = episode.video.read(indices)
        began = time.perf_counter()
        answers = self.detector.detect(frames, [episode.query])
        self.seconds = time.perf_counter() - began
        found = [
            (one.score, index, one) for index, a in zip(indices, answers, strict=True) for one in a
        ]
        if not found:
            return vs.Grounding(None, ())
        score, keyframe, best = max(found, key=lambda one: one[:2])
        prompt = vs.Prompt(1, keyframe, box=best.box, label=best.label, score=score)
        return vs.Grounding(keyframe, (prompt,), confidence=score)


def read_masks(folder: Path) -> np.ndarray:
    """Return the foreground of every frame, shape (T, H, W)."""
    masks = []
    for path in sorted(folder.glob("*.png")):
        labels = np.array(Image.open(path))
        masks.append((labels[..., 0] if labels.ndim == 3 else labels) > 0)
    return np.stack(masks)


def score_sequence(data: Path, sequence: str, noun: str, detector: vs.Detector) -> dict:
    """Run the rule on one sequence and score it."""
    truth = read_masks(data / "davis" / "Annotations" / "480p" / sequence)
    row = {"sequence": sequence, "noun": noun, "num_frames": len(truth), "j": 0.0, "f": 0.0}
    if detector.unknown_names([noun]):
        return {**row, "note": "unknown"}
    grounder = BestBox(detector)
    sampler = vs.use("uniform", num_frames=NUM_FRAMES)
    pipe = vs.Pipeline(sampler, grounder, "flow", segmenter="cut")
    began = time.perf_counter()
    result = pipe(data / "davis" / "JPEGImages" / "480p" / sequence, noun)
    row |= {"seconds": time.perf_counter() - began, "detector_seconds": grounder.seconds}
    if not result.tracks:
        return {**row, "note": "not found"}
    [prompt] = result.grounding.prompts
    box = Rle.encode(truth[prompt.frame]).box
    masks = result.tracks[0].dense()[1:-1]
    return row | {
        "note": f"{prompt.frame}, {prompt.score:.2f}, "
        f"{100 * (prompt.box.iou(box) if box and prompt.box else 0):.0f}",
        "j": 100 * float(region_j(masks, truth[1:-1]).mean()),
        "f": 100 * float(boundary_f(masks, truth[1:-1]).mean()),
    }


def main() -> None:
    """Score the sequences asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--checkpoint", default="nano", help="a name or an ONNX file")
    parser.add_argument("--min-score", type=float, default=0.3)
    parser.add_argument("--sequences", nargs="*", default=list(NOUNS))
    options = parser.parse_args()
    detector = YoloxDetector(checkpoint=options.checkpoint, min_score=options.min_score)
    print("| sequence | noun | keyframe, score, box IoU | J | F | J&F | detector frames/s | all |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for sequence in options.sequences:
        row = score_sequence(options.data, sequence, NOUNS[sequence], detector)
        rows.append(row)
        speeds = ["-", "-"]
        if "seconds" in row:
            shown = min(NUM_FRAMES, row["num_frames"])
            speeds = [
                f"{shown / row['detector_seconds']:.1f}",
                f"{row['num_frames'] / row['seconds']:.1f}",
            ]
        print(
            f"| {sequence} | {row['noun']} | {row['note']} | {row['j']:.1f} | {row['f']:.1f} "
            f"| {(row['j'] + row['f']) / 2:.1f} | {speeds[0]} | {speeds[1]} |",
            flush=True,
        )
    j, f = (float(np.mean([row[key] for row in rows])) for key in ("j", "f"))
    print(f"| **mean** | | | **{j:.1f}** | **{f:.1f}** | **{(j + f) / 2:.1f}** | | |")


if __name__ == "__main__":
    main()
