"""Kill a training run at random moments with SIGKILL, resume it, and compare it with a whole one.

Run from the repository root:

    python tests/benchmarks/training_kills.py --kills 10

A run of GRPO on a random tiny model is made once without disturbance. Another one is killed at a
random moment, gone on with, killed again, and so on, and at last goes on to its end. Metrics,
episodes, configuration and weights of both must be the same to the last byte; the script ends
with an error if they are not. Each part is a process of its own, which has nothing of the one
before but the folder.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import torch
import training_runs
from safetensors.torch import load_file
from tiny_vlm import save_tiny_vlm
from videoseg_train import Checkpoints
from videoseg_train.journal import read_lines

KIND = "qwen3-vl"
STEPS = 16
FILES = ("metrics.jsonl", "episodes.jsonl", "config.yaml")


def train(model: Path, output: Path) -> None:
    """Run it from where it is to its end."""
    torch.set_num_threads(1)
    own = {**training_runs.make_config("grpo", model).given["grpo"], "steps": STEPS}
    config = training_runs.make_config("grpo", model, grpo=own)
    training_runs.run(config, output, resume=True)


def make_model(folder: Path) -> None:
    """Write the model that runs begin with to a folder in this one."""
    save_tiny_vlm(folder, KIND)


def main() -> None:
    """Make both runs and compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Children begin with everything imported; nothing has been computed before.
    forked = multiprocessing.get_context("fork")
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, whole, killed = folder / KIND, folder / "whole", folder / "killed"
        for work, given in ((make_model, (folder,)), (train, (model, whole))):
            begin = time.monotonic()
            child = forked.Process(target=work, args=given)
            child.start()
            child.join()
            assert child.exitcode == 0, f"{work.__name__} has failed"
            seconds = time.monotonic() - begin
        print(f"the whole run: {STEPS} steps in {seconds:.1f} s", flush=True)
        for number in range(1, options.kills + 1):
            child = forked.Process(target=train, args=(model, killed))
            child.start()
            child.join(rng.uniform(0.05, 0.35) * seconds)
            if child.exitcode is not None:
                assert child.exitcode == 0, "the run has failed"
                print("the run is over")
                break
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            metrics = killed / "metrics.jsonl"
            done = [line["step"] for line in read_lines(metrics) if line["kind"] == "step"]
            saved = Checkpoints(killed / "checkpoints").steps()
            print(f"kill {number}: after step {max(done, default=0)}, saved {saved}", flush=True)
        child = forked.Process(target=train, args=(model, killed))
        child.start()
        child.join()
        assert child.exitcode == 0, "the run has failed"
        for name in FILES:
            assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
        weights, expected = (
            load_file(run / "model" / "model.safetensors") for run in (killed, whole)
        )
        assert weights.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in weights.items())
        print("the same to the last byte")


if __name__ == "__main__":
    main()
