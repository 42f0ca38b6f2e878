"""Time the propagator ``sam2`` against the package's own predictor, frame by frame in turn.

Run from the repository root:

    python tests/benchmarks/sam2_speed.py --model sam2.1-hiera-tiny --frames 12

Both have the same random weights and prompts and are advanced alternately, so that whatever
else the machine does meets both. Our time for a frame includes reading and resizing it; the
package does that for all frames beforehand, which is shown apart and counts in the last ratio.
``--precision`` and ``--engine`` run ours so, against the package in float32. Engines among each
other, also those of the trackers of transformers, are timed by ``engines_speed.py``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sam2_parity import prompts_for
from sam2_reference import (
    PackageRun,
    build_package_predictor,
    quietly,
    save_frames,
    save_random_weights,
)
from videoseg_sam2 import Sam2Propagator
from videoseg_synthetic import make_clip

from videoseg.video import Video


def measure(
    video: Video,
    model: str,
    checkpoint: Path,
    *,
    device: str,
    precision: str,
    engine: str,
    objects: int,
) -> dict:
    """Return seconds for each frame, and the package's seconds of preparation."""
    seconds: dict[str, list[float]] = {"ours": [], "package": []}
    clock = time.perf_counter
    with tempfile.TemporaryDirectory() as temporary, quietly():
        save_frames(video, Path(temporary))
        predictor = build_package_predictor(model, checkpoint, device)
        ours = Sam2Propagator(
            model=model,
            checkpoint=checkpoint,
            device=device,
            precision=precision,
            engine=engine,
        )
        prompts = prompts_for(video, 0)[:objects]
        with ours.open(video) as session:
            begin = clock()
            package = PackageRun(predictor, Path(temporary))
            for prompt in prompts:
                package.prompt(prompt)
            preparation = clock() - begin
            for prompt in prompts:
                session.prompt(prompt)
            runs = {"ours": session.run_logits(), "package": package.run(start=0)}
            for index in range(len(video)):
                # The order alternates, so that neither always follows the other.
                for name in ("ours", "package") if index % 2 else ("package", "ours"):
                    begin = clock()
                    next(runs[name])
                    if device.startswith("cuda"):
                        torch.cuda.synchronize()
                    seconds[name].append(clock() - begin)
    return {"preparation": preparation, **seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="sam2.1-hiera-tiny")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--objects", type=int, default=1, choices=(1, 2))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--engine", default="eager", choices=("eager", "compile", "openvino"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clip = make_clip(seed=3, num_frames=arguments.frames, size=(480, 854))
    video = Video.from_frames(np.asarray(clip.frames), fps=clip.fps)
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "random.pt"
        save_random_weights(arguments.model, checkpoint)
        result = measure(
            video,
            arguments.model,
            checkpoint,
            device=arguments.device,
            precision=arguments.precision,
            engine=arguments.engine,
            objects=arguments.objects,
        )
    # The first frame is the prompted one; the package has segmented it beforehand.
    ours, package = result["ours"][1:], result["package"][1:]
    total = sum(result["ours"]), sum(result["package"]) + result["preparation"]
    print(f"{arguments.model}, {arguments.objects} objects, {arguments.threads} threads")
    print("| | ours | package | ratio |")
    print("|---|---|---|---|")
    print(
        f"| seconds a frame, median | {statistics.median(ours):.3f} | "
        f"{statistics.median(package):.3f} | "
        f"{statistics.median(package) / statistics.median(ours):.2f} |"
    )
    print(
        f"| seconds a frame, mean | {statistics.mean(ours):.3f} | {statistics.mean(package):.3f} "
        f"| {statistics.mean(package) / statistics.mean(ours):.2f} |"
    )
    print(
        f"| all frames with preparation, s | {total[0]:.2f} | {total[1]:.2f} | "
        f"{total[1] / total[0]:.2f} |"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
