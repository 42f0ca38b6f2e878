"""A small training run that tests start in this process and in others, which they kill.

As a script: ``python training_runs.py METHOD MODEL OUTPUT [deepspeed]``;
one of several processes if the environment says so.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from torchvision_builds import declare_missing_operators

declare_missing_operators()

from training_toys import toy_sample  # noqa: E402
from videoseg_train import (  # noqa: E402
    RewardTerm,
    TrainingConfig,
    TrainingError,
    TrainingResult,
    train,
    training_config,
)

from videoseg.types import ChatReply  # noqa: E402

STEPS = 5


def make_config(method: Any, model: Path, **changes: Any) -> TrainingConfig:
    """Return the configuration of a small run."""
    own: dict[str, Any] = {
        "steps": STEPS,
        "samples_per_step": 2,
        "optimizer": {"learning_rate": 1e-3, "schedule": "linear"},
        "warmup_share": 0.2,
    }
    if method == "grpo":
        own |= {"group_size": 3, "divergence_weight": 0.1}
    data: dict[str, Any] = {
        "model": {"path": str(model), "dtype": "float32", "device": "cpu"},
        "policy": {"max_tokens": 10, "max_pixels": 64 * 64},
        "stages": {
            "sampler": {"name": "uniform", "options": {"num_frames": 2}},
            "grounder": "r1",
            "max_turns": 1,
        },
        method: own,
        "evaluation": {"every": 2, "shown": 1},
        "checkpoints": {"every": 2, "keep": 2},
        "seed": 7,
    }
    return training_config({**data, **changes}, method)


def lora_settings() -> dict[str, Any]:
    """Return the settings of a method that trains adapters alone."""
    return {
        "steps": 2,
        "samples_per_step": 2,
        "parts": [],
        "lora": {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": ["q_proj", "up_proj"]},
        "optimizer": {"learning_rate": 1e-2},
    }


class Teacher:
    """Answers as grounder ``r1`` wants it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def chat(self, *_arguments: Any, **_options: Any) -> list[ChatReply]:
        """Answer with a box that depends on the seed."""
        x = self._seed % 300
        answer = [{"bbox_2d": [x, 100, x + 400, 700], "point_2d": [x + 200, 400]}]
        text = f"<think>The square.</think><answer>{json.dumps(answer)}</answer>"
        return [ChatReply(text)]


class Even:
    """Rewards tokens that are even numbers, also in answers that cannot be read."""

    judges_errors = True

    def __call__(self, rollout: Any, truth: Any) -> float:
        """Return the share of even tokens."""
        tokens = [token for step in rollout.steps for token in step.tokens]
        return sum(token % 2 == 0 for token in tokens) / len(tokens)


class FailingInOneProcess(Even):
    """Fails in the second of two processes after three steps."""

    calls = 0

    def __call__(self, rollout: Any, truth: Any) -> float:
        """Return the same reward as long as it does not fail."""
        self.calls += 1
        # Three rollouts in each step, and one in each of the two evaluations until then.
        if os.environ["RANK"] == "1" and self.calls > 3 * 3 + 2:
            raise TrainingError("the judge is out")
        return super().__call__(rollout, truth)


def run(config: TrainingConfig, output: Path, **options: Any) -> TrainingResult:
    """Run it on toy samples."""
    given: dict[str, Any] = {
        "samples": [toy_sample(number) for number in range(3)],
        "held_out": [toy_sample(5)],
        "teacher": lambda _sample, seed: Teacher(seed),
        "rewards": [RewardTerm("even", Even())],
        "quiet": True,
    }
    return train(config, output, **{**given, **options})


def call_command(*arguments: object) -> tuple[int, str]:
    """Run ``videoseg train`` in this process; return its exit status and standard output."""
    from videoseg_train.cli import train as command

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = command.main([str(one) for one in arguments], "train", standalone_mode=False)
    return status or 0, output.getvalue()


if __name__ == "__main__":
    from videoseg_train.processes import leave_processes

    method, model, output, *how = sys.argv[1:]
    if "deepspeed" in how:
        from deepspeed_on_cpu import use_deepspeed

        use_deepspeed()
    run(make_config(method, Path(model)), Path(output), resume=True)
    leave_processes()
