"""Compare the memory policies of ``sam2`` with the authors' code and with each other.

Run from the repository root:

    python tests/benchmarks/sam2_policies.py
    python tests/benchmarks/sam2_policies.py --reference DIR --frames 60

All run the same random weights on the same drawn clip, which a box prompts on its first frame.
With ``--reference`` (a checkout of yangchris11/samurai; it needs loguru) the policy ``samurai`` is
compared with its own code. That code takes an object for present above an object score of -1,
SAM 2 and this plug-in above 0, and never remembers the first tracked frame as a good one, so the
comparison imitates the second and stops at the first frame whose score lies between.

The table shows how far each policy's masks are from those of ``fifo``, and the frames held.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import videoseg_sam2
from sam2_reference import save_frames, sharpen
from videoseg_sam2 import MemoryPolicy, Sam2Propagator, Samurai
from videoseg_sam2.network import NetworkChoice
from videoseg_sam2.policies import POLICY_NAMES
from videoseg_synthetic import make_clip

from videoseg.types import Box, Prompt, VideoSource
from videoseg.video import Video

TOLERANCE = 1e-2


def save_wavering_weights(
    path: Path, video: VideoSource, seed: int, *, object_scores: tuple[float, float] = (4, 1)
) -> None:
    """Save random weights under which frames differ in IoU, in logits and the best candidate.

    Heads are scaled by what they answer on the video: plain random ones answer all but the same on
    every frame, so that every policy would remember the same. Object scores have this mean and
    spread.
    """
    choice = NetworkChoice("toy", None, None, True, False, "cpu", "float32")
    state = {key: value.clone() for key, value in choice.locate().modules.state_dict().items()}
    sharpen(state)
    generator = torch.Generator().manual_seed(seed)
    for name in state:
        if name.endswith(("layers.2.weight", "layers.2.bias")) and "head" in name:
            state[name] = torch.randn(state[name].shape, generator=generator)
        if "output_hypernetworks_mlps" in name:
            noise = torch.randn(state[name].shape, generator=generator)
            state[name] += noise * state[name].std(unbiased=False)
    # Where estimated IoUs lie around the policies' thresholds, and objects are mostly in sight.
    for head, (middle, spread) in (
        ("iou_prediction_head", (0.4, 1.0)),
        ("pred_obj_score_head", object_scores),
    ):
        torch.save({"model": state}, path)
        answers = _answers_of(head, video, path)
        factor = spread / answers.std(dim=0)
        last = f"sam_mask_decoder.{head}.layers.2"
        state[f"{last}.weight"] *= factor[:, None]
        state[f"{last}.bias"] = (state[f"{last}.bias"] - answers.mean(dim=0)) * factor + middle
    torch.save({"model": state}, path)
    # Mean |logit| of about 9, as trained networks have it.
    scale = 9 / np.abs(run(video, path, "fifo")[0]).mean()
    for name in state:
        if "output_hypernetworks_mlps" in name and "layers.2" in name:
            state[name] *= float(scale)
    torch.save({"model": state}, path)


def _answers_of(head: str, video: VideoSource, checkpoint: Path) -> torch.Tensor:
    """Return what a head of the mask decoder gives before its sigmoid, one row for each call."""
    propagator = Sam2Propagator(
        model="toy", checkpoint=checkpoint, device="cpu", precision="float32"
    )
    rows: list[torch.Tensor] = []
    last = getattr(propagator._network.modules.sam_mask_decoder, head).layers[-1]
    handle = last.register_forward_hook(lambda _module, _inputs, output: rows.append(output[0]))
    with propagator.open(video) as session:
        session.prompt(prompt_for(video))
        list(session.run_logits())
    handle.remove()
    return torch.stack(rows)


def prompt_for(video: VideoSource) -> Prompt:
    """Return a box somewhere in the frame; what is in it does not matter."""
    height, width = video.size
    return Prompt(1, 0, box=Box(0.2 * width, 0.2 * height, 0.6 * width, 0.7 * height))


def run(video: VideoSource, checkpoint: Path, memory: object) -> tuple[np.ndarray, dict[str, int]]:
    """Return the logits of each frame, shape (T, H, W), and the most that was held."""
    propagator = Sam2Propagator(
        model="toy", checkpoint=checkpoint, device="cpu", precision="float32", memory=memory
    )
    logits, features, pointers = [], 0, 0
    with propagator.open(video) as session:
        session.prompt(prompt_for(video))
        for _, found in session.run_logits():
            logits.append(found[1].numpy().copy())
            known = session._objects[1]
            paths = [] if known.paths is None else [one._entries for one in known.paths.trails]
            for kept in paths or [known.passed]:
                features = max(features, sum(one.features is not None for one in kept.values()))
                pointers = max(pointers, len(kept))
    return np.stack(logits), {"features": features, "pointers": pointers}


def compare_with_reference(video: Video, checkpoint: Path, reference: Path) -> float:
    """Compare ``samurai`` with its authors' code.

    Returns:
        The largest difference of logits.
    """
    package = reference / "sam2"
    if not (package / "sam2" / "modeling").is_dir():
        raise SystemExit(f"{reference} is no checkout of yangchris11/samurai")
    config = Path(videoseg_sam2.__file__).parent / "configs" / "toy.yaml"
    box = prompt_for(video).box
    with tempfile.TemporaryDirectory() as temporary:
        frames = Path(temporary) / "frames"
        frames.mkdir()
        save_frames(video, frames)
        output = Path(temporary) / "reference.npz"
        script = Path(__file__).with_name("sam2_policies_reference.py")
        command = [sys.executable, script, config, checkpoint, frames, output]
        path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [*map(str, command), *map(str, box.as_tuple())],
            capture_output=True,
            text=True,
            cwd=temporary,
            env={**os.environ, "PYTHONPATH": path},
        )
        if done.returncode:
            raise SystemExit(f"the reference failed:\n{done.stderr[-3000:]}")
        saved = np.load(output)
    between = np.flatnonzero((saved["scores"] > -1) & (saved["scores"] <= 0))
    end = int(between[0]) if between.size else len(saved["scores"])
    mine, _ = run(video, checkpoint, functools.partial(Samurai, first_step=2))
    plain, _ = run(video, checkpoint, "fifo")
    theirs = saved["logits"]
    present = saved["scores"][:end] > 0
    difference = np.abs(mine[:end] - theirs[:end])[present].max()
    other = np.abs(plain[:end] - theirs[:end])[present].max()
    print(
        f"samurai, {present.sum()} frames in sight of {len(theirs)} (compared up to {end}): "
        f"largest difference {difference:.1e}, mean |logit| "
        f"{np.abs(theirs[:end][present]).mean():.1f}; fifo differs by {other:.1f}"
    )
    return float(difference)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, metavar="DIR")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    worst = 0.0
    video = make_clip(seed=3, num_frames=arguments.frames, size=(120, 160)).video
    with tempfile.TemporaryDirectory() as temporary:
        for seed in arguments.seeds:
            checkpoint = Path(temporary) / f"{seed}.pt"
            save_wavering_weights(checkpoint, video, seed)
            if arguments.reference is not None:
                difference = compare_with_reference(
                    video, checkpoint, arguments.reference.resolve()
                )
                worst = max(worst, difference)
        if arguments.reference is None:
            print("| memory | largest difference from fifo | features held | pointers held |")
            print("|---|---|---|---|")
            base = None
            for memory in (*POLICY_NAMES, MemoryPolicy):
                logits, held = run(video, checkpoint, memory)
                base = logits if base is None else base
                name = memory if isinstance(memory, str) else memory.__name__
                print(
                    f"| {name} | {np.abs(logits - base).max():.1e} | {held['features']} | "
                    f"{held['pointers']} |"
                )
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    raise SystemExit(main())
