"""Reinforcement learning of the experiments in miniature: configurations, and runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning_starts import MAX_TURNS
from videoseg_tiny.chat import COORDINATE_SPACE
from videoseg_tiny.clips import FRAME_SIDE
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.seg_reinforcement import reinforcement_config
from videoseg_train import TrainingSample, train
from videoseg_train.config_reader import training_config

__all__ = [
    "LEARNING",
    "THOUGHT_BUDGET",
    "Run",
    "looking_grpo",
    "looking_pipeline",
    "masks_grpo",
    "reasoning_grpo",
    "reasoning_pipeline",
    "run_grpo",
    "run_masks_grpo",
]

LEARNING = {"steps": 100, "learning_rate": 4e-4}
"""Of reinforcement learning in one turn, and..."""

LOOKING = {"steps": 150, "learning_rate": 4e-4}
"""... over several."""

MASK_STEPS = 20
"""Of reinforcement of the ``[SEG]`` model."""

THOUGHT_BUDGET = 6
"""Tokens of thought that cost nothing: as many as name the object and its place."""
THOUGHT_SLOPE = 0.02
"""Cost of each token beyond; 0.005 in the paper, whose thoughts are ten times as long."""

SMALL_PIXELS = 48 * 48
SQUARE_PIXELS = FRAME_SIDE * FRAME_SIDE


def reasoning_pipeline() -> dict[str, Any]:
    """Return the composition of VideoSeg-R1 for the tiny model."""
    return videoseg_r1_tiny()


def looking_pipeline(max_turns: int = MAX_TURNS) -> dict[str, Any]:
    """Return the composition of VideoSEG-O3 for the tiny model."""
    return {**videoseg_o3_tiny(), "max_turns": max_turns}


_COMMON: dict[str, Any] = {
    "policy": {"temperature": 1.0, "max_tokens": 128, "max_batch": 128},
    "evaluation": {"every": 20, "shown": 6},
    "checkpoints": {"every": 10, "keep": 1},
}
_GRPO: dict[str, Any] = {
    "group_size": 8,
    # The vision encoder stays as it is.
    "parts": ["language"],
    "divergence_weight": 0.01,
    "clip": 0.2,
    "weighting": "sequence",
    "batch": {"max_sequences": 32},
    "warmup_share": 0.1,
}
_ACCURACY: dict[str, Any] = {
    "name": "r1-accuracy",
    "options": {"side": FRAME_SIDE, "box_tolerance": 3.0, "point_tolerance": 5.0},
}


def reasoning_grpo(*, penalty: bool) -> dict[str, Any]:
    """Return the configuration of GRPO in one turn, with R1's rewards."""
    rewards: list[dict[str, Any]] = [
        {"name": "r1-format"},
        _ACCURACY,
        {"name": "r1-negative", "options": {"side": FRAME_SIDE, "tolerance": 12.0}},
        {"name": "r1-no-repeat"},
        {"name": "box-iou", "weight": 4.0},
    ]
    if penalty:
        options = {"budget": THOUGHT_BUDGET, "slope": THOUGHT_SLOPE}
        rewards.append({"name": "r1-length", "use": "factor", "options": options})
    pipeline = reasoning_pipeline()
    return {
        **copy.deepcopy(_COMMON),
        "stages": {
            "sampler": {
                "name": "target-frame",
                "options": {
                    "num_context": [1, 1],
                    "context_pixels": SMALL_PIXELS,
                    "target_pixels": SQUARE_PIXELS,
                },
            },
            "grounder": _for_training(pipeline["grounder"]),
            "max_turns": 1,
        },
        "grpo": {
            **_GRPO,
            "steps": LEARNING["steps"],
            "samples_per_step": 12,
            "optimizer": _optimizer(LEARNING["learning_rate"]),
            "rewards": rewards,
        },
    }


def looking_grpo() -> dict[str, Any]:
    """Return the configuration of GRPO over several turns."""
    pipeline = looking_pipeline()
    return {
        **copy.deepcopy(_COMMON),
        "stages": {
            "sampler": pipeline["sampler"],
            "grounder": _for_training(pipeline["grounder"]),
            "max_turns": MAX_TURNS,
        },
        "grpo": {
            **_GRPO,
            "steps": LOOKING["steps"],
            "samples_per_step": 12,
            "optimizer": _optimizer(LOOKING["learning_rate"]),
            "rewards": [
                {"name": "o3-format"},
                {"name": "o3-visible-area"},
                _ACCURACY,
                {"name": "box-iou", "weight": 4.0},
            ],
        },
    }


def masks_grpo(model: Path, calibration: Mapping[str, Any] | None, *, seed: int) -> dict[str, Any]:
    """Return the configuration of GRPO for the ``[SEG]`` model, with or without calibration."""
    return reinforcement_config(
        str(model),
        calibration=calibration,
        steps=MASK_STEPS,
        num_clips=200,
        evaluate_every=MASK_STEPS,
        seed=seed,
    )


def _optimizer(learning_rate: float) -> dict[str, Any]:
    return {"learning_rate": learning_rate, "weight_decay": 0.0, "schedule": "linear"}


def _for_training(grounder: Mapping[str, Any]) -> dict[str, Any]:
    """Return a grounder whose answers that cannot be read are failed episodes."""
    options = dict(grounder["options"])
    options.pop("on_parse_error", None)
    # The chat model says so itself; a policy is known by its architecture alone.
    options["coordinates"] = COORDINATE_SPACE
    return {"name": grounder["name"], "options": options}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of reinforcement learning.

    Args:
        folder: Its folder, with ``training.html``.
        model: Folder of the trained model.
    """

    folder: Path
    model: Path


def run_grpo(
    folder: Path,
    start: Path,
    settings: dict[str, Any],
    samples: Sequence[TrainingSample],
    held_out: Sequence[TrainingSample],
    *,
    seed: int,
) -> Run:
    """Train a model by reinforcement, or go on where that was interrupted."""
    model = folder / "model"
    if not (model / "config.json").is_file():
        data = {
            **settings,
            "model": {"path": str(start), "dtype": "float32", "device": "cpu"},
            "seed": seed,
        }
        config = training_config(data, "grpo")
        train(config, folder, resume=folder.exists(), samples=samples, held_out=held_out)
    return Run(folder, model)


def run_masks_grpo(folder: Path, settings: dict[str, Any]) -> Run:
    """Train a ``[SEG]`` model by reinforcement, or go on where that was interrupted."""
    model = folder / "model"
    if not model.is_dir():
        train(training_config(settings, "grpo"), folder, resume=folder.exists())
    return Run(folder, model)
