"""Score the tracks of track-then-choose on DAVIS sequences, with the best choice among them.

Run from the repository root:

    python tests/benchmarks/tracks_davis.py --data DATA --checkpoint yolox_nano.onnx

For each sequence, everything that ``yolox`` finds under a noun is cut out and followed by
``flow``, as the pipeline ``track-then-choose`` does. Of the tracks, the one that overlaps most
with the true mask is scored: what a chat model that chooses rightly would reach. Prints a
Markdown table: how many tracks there are; J, F and J&F in percent over all frames but the first
and the last; seconds of processor time for each frame. ``--pictures FOLDER`` writes what the
model would be shown.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_tracks import TrackFinder, TrackPool, draw_close_view, draw_numbered

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg.samplers import evenly_spaced

NOUNS = {
    "blackswan": "swan",
    "car-shadow": "car",
    "dance-twirl": "dancer",
    "dog": "dog",
    "rollerblade": "skater",
}
_PIXELS = 320 * 28 * 28  # the default of the grounder


def read_masks(folder: Path) -> np.ndarray:
    """Return the foreground of every frame, shape (T, H, W)."""
    masks = []
    for path in sorted(folder.glob("*.png")):
        labels = np.array(Image.open(path))
        masks.append((labels[..., 0] if labels.ndim == 3 else labels) > 0)
    return np.stack(masks)


def choose_best(pool: TrackPool, truth: np.ndarray) -> np.ndarray:
    """Return the masks of the track that overlaps most with the truth, shape (T, H, W)."""
    best, best_score = np.zeros_like(truth), -1.0
    for track in pool.tracks:
        masks = np.zeros_like(truth)
        for frame in track.frames:
            masks[frame] = track.mask(frame)
        score = float(region_j(masks[1:-1], truth[1:-1]).mean())
        if score > best_score:
            best, best_score = masks, score
    return best


def write_pictures(folder: Path, sequence: str, video: vs.Video, pool: TrackPool) -> None:
    """Write four of the frames that a round would show, and the close views."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in evenly_spaced(pool.window, 4):
        drawn = draw_numbered(video[frame], frame, pool.tracks, _PIXELS)
        Image.fromarray(drawn).save(folder / f"{sequence}-{frame}.png")
    for track in pool.tracks:
        mask = track.mask(track.clearest)
        view = draw_close_view(video[track.clearest], mask, track.track_id)
        Image.fromarray(view).save(folder / f"{sequence}-close-{track.track_id}.png")


def main() -> None:
    """Score the sequences asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VIDEOSEG_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with davis/")
    parser.add_argument("--checkpoint", default="nano", help="a name or an ONNX file")
    parser.add_argument("--max-tracks", type=int, default=12)
    parser.add_argument("--frames", type=int, default=None, help="only so many of each sequence")
    parser.add_argument("--pictures", type=Path, default=None)
    parser.add_argument("--sequences", nargs="*", default=list(NOUNS))
    options = parser.parse_args()
    registry = vs.default_registry()
    finder = TrackFinder(
        registry.build("detector", "yolox", {"checkpoint": options.checkpoint}),
        registry.build("propagator", "flow"),
        segmenter=registry.build("segmenter", "cut"),
        max_tracks=options.max_tracks,
    )
    print("| sequence | noun | tracks | J | F | J&F | seconds a frame |")
    print("|---|---|---|---|---|---|---|")
    scores = []
    for sequence in options.sequences:
        davis = options.data / "davis"
        truth = read_masks(davis / "Annotations" / "480p" / sequence)[: options.frames]
        video = vs.Video.open(davis / "JPEGImages" / "480p" / sequence)
        began = time.process_time()
        window = vs.Window(0, len(truth))
        pool = finder.find(video, [NOUNS[sequence]], window=window)
        seconds = (time.process_time() - began) / len(truth)
        if options.pictures is not None:
            write_pictures(options.pictures, sequence, video, pool)
        masks = choose_best(pool, truth)[1:-1]
        j = 100 * float(region_j(masks, truth[1:-1]).mean())
        f = 100 * float(boundary_f(masks, truth[1:-1]).mean())
        scores.append((j, f))
        print(
            f"| {sequence} | {NOUNS[sequence]} | {len(pool.tracks)} | {j:.1f} | {f:.1f} "
            f"| {(j + f) / 2:.1f} | {seconds:.2f} |",
            flush=True,
        )
    j, f = np.mean(scores, axis=0)
    print(f"| **mean** | | | **{j:.1f}** | **{f:.1f}** | **{(j + f) / 2:.1f}** | |")


if __name__ == "__main__":
    main()
