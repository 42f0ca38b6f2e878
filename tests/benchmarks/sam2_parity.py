"""Compare the propagator ``sam2`` with the package's own predictor: same frames, same logits.

Run from the repository root:

    python tests/benchmarks/sam2_parity.py
    python tests/benchmarks/sam2_parity.py --model sam2.1-hiera-tiny --video clip.mp4

Both get the same random weights, the same frames and the same prompts (a box, a point on it and
one beside it, for each of two objects on the middle frame), and run forward and backward. The
table shows the largest difference between their mask logits at the size of the source, and how
many pixels of the masks differ. A real checkpoint can be named with ``--checkpoint``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sam2_reference import (
    PackageRun,
    build_package_predictor,
    quietly,
    save_frames,
    save_random_weights,
)
from videoseg_sam2 import Sam2Propagator
from videoseg_synthetic import make_clip

from videoseg.types import Box, Point, Prompt
from videoseg.video import Video

TOLERANCE = 1e-4


def prompts_for(video: Video, frame: int) -> list[Prompt]:
    """Return two objects, left and right of the middle; where they are does not matter."""
    height, width = video.size
    prompts = []
    for object_id, left in ((1, 0.15), (2, 0.55)):
        box = Box(left * width, 0.3 * height, (left + 0.3) * width, 0.7 * height)
        beside = Point((0.9 - left) * width, 0.1 * height)
        prompts.append(
            Prompt(object_id, frame, box=box, points=(box.center,), negative_points=(beside,))
        )
    return prompts


def compare(video: Video, model: str, checkpoint: Path, device: str) -> list[dict]:
    """Return one row for each direction."""
    middle = len(video) // 2
    rows = []
    with tempfile.TemporaryDirectory() as temporary, quietly():
        save_frames(video, Path(temporary))
        package = PackageRun(build_package_predictor(model, checkpoint, device), Path(temporary))
        ours = Sam2Propagator(
            model=model, checkpoint=checkpoint, device=device, precision="float32"
        )
        with ours.open(video) as session:
            for prompt in prompts_for(video, middle):
                session.prompt(prompt)
                package.prompt(prompt)
            for direction in ("forward", "backward"):
                expected = package.run(start=middle, reverse=direction == "backward")
                pairs = zip(session.run_logits(direction), expected, strict=True)
                rows.append({"direction": direction, **differences(pairs)})
    return rows


def differences(pairs) -> dict:
    """Sum up how two runs differ."""
    frames, largest, wrong, inside, pixels = 0, 0.0, 0, 0, 0
    for (frame, mine), (other_frame, other) in pairs:
        assert frame == other_frame
        assert sorted(mine) == sorted(other)
        frames += 1
        for object_id, logits in mine.items():
            one, two = logits.cpu().numpy(), other[object_id].cpu().numpy()
            largest = max(largest, float(np.abs(one - two).max()))
            wrong += int(((one > 0) != (two > 0)).sum())
            inside += int((two > 0).sum())
            pixels += two.size
    return {
        "frames": frames,
        "difference": largest,
        "wrong": wrong,
        "covered": inside / pixels,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="toy")
    parser.add_argument("--checkpoint", type=Path, help="real weights; random ones by default")
    parser.add_argument("--video", type=Path, help="a clip; a drawn one by default")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.video is None:
        video = make_clip(seed=3, num_frames=arguments.frames, size=(240, 426)).video
    else:
        whole = Video.open(arguments.video)
        video = Video.from_frames(np.stack(whole.read(range(arguments.frames))), fps=whole.fps)
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = arguments.checkpoint
        if checkpoint is None:
            checkpoint = Path(temporary) / "random.pt"
            save_random_weights(arguments.model, checkpoint)
        rows = compare(video, arguments.model, checkpoint, arguments.device)
    print("| direction | frames | objects | largest difference | wrong pixels | covered |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['direction']} | {row['frames']} | 2 | {row['difference']:.1e} | "
            f"{row['wrong']} | {row['covered']:.0%} |"
        )
    return int(any(row["difference"] > TOLERANCE for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
