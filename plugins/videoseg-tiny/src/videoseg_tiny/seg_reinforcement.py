"""Reinforcement of the tiny ``[SEG]`` model: a configuration for ``videoseg train grpo``.

For experiments with SEG-aware logit calibration and the losses of masks. They begin where
imitation was stopped early, which leaves room: ``python -m videoseg_tiny.train_seg FOLDER --steps
200`` writes such a start to ``FOLDER/model``. Then, in Python::

    from videoseg_train import train, training_config
    from videoseg_tiny.seg_reinforcement import reinforcement_config

    given = reinforcement_config("FOLDER/model", calibration={"weight": 1.0, "target": "own"})
    result = train(training_config(given, "grpo"), "runs/calibrated")

The same mapping as YAML is a file for ``videoseg train grpo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg_tiny.clips import NUM_FRAMES
from videoseg_tiny.plugin import videoseg_o3_tiny_seg

__all__ = ["reinforcement_config"]


def reinforcement_config(
    model: str,
    *,
    calibration: Mapping[str, Any] | None = None,
    mask_weight: float = 0.0,
    steps: int = 60,
    samples_per_step: int = 8,
    group_size: int = 8,
    learning_rate: float = 1e-4,
    num_clips: int = 200,
    num_held_out: int = 20,
    evaluate_every: int = 20,
    with_propagator: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Return a configuration, as ``videoseg_train.training_config`` reads it.

    Questions are those of drawn clips that one frame answers; language model, projector and mask
    decoder are trained.

    Args:
        model: The folder of the ``[SEG]`` model to begin with.
        calibration: ``weight``, ``target`` and ``threshold``; see
            ``videoseg_train.CalibrationSettings``. None for no calibration.
        mask_weight: Weight of the losses of masks against the truth.
        steps: How many steps.
        samples_per_step: Questions in each.
        group_size: Rollouts of each question.
        learning_rate: At its highest, in the first step; it falls to zero.
        num_clips: Clips to train on.
        num_held_out: Questions of evaluations.
        evaluate_every: Steps between evaluations.
        with_propagator: Whether evaluations score the masks of the whole video, which the
            propagator makes with the mask decoder as it was before, instead of those of the
            ``[SEG]`` on overview and keyframe.
        seed: Seed of the run.
    """
    pipeline = videoseg_o3_tiny_seg(model)
    names = ("sampler", "grounder", *(("propagator",) if with_propagator else ()))
    stages = {name: pipeline[name] for name in names}
    training: dict[str, Any] = {
        "steps": steps,
        "samples_per_step": samples_per_step,
        "group_size": group_size,
        "parts": ["language", "embeddings", "projector", "mask-decoder"],
        "optimizer": {"learning_rate": learning_rate, "weight_decay": 0.0, "schedule": "linear"},
        "divergence_weight": 0.01,
        "clip": None,
        "mask_weight": mask_weight,
        # Steps of the thought have no headings here. Masks count most, as they are to improve.
        "rewards": [
            {"name": "o3-format", "weight": 0.5},
            {"name": "o3-keyframe", "weight": 0.5},
            {"name": "o3-mask"},
            {"name": "o3-keyframe-gain", "weight": 0.5},
        ],
    }
    if calibration is not None:
        training["calibration"] = dict(calibration)
    return {
        "model": {"path": model, "kind": "seg", "dtype": "float32", "device": "cpu"},
        "policy": {"max_tokens": 96, "preprocessing": "direct"},
        "stages": {**stages, "max_turns": pipeline["max_turns"]},
        "data": {"benchmark": _clips(num_clips), "split": "train"},
        "evaluation": {
            "every": evaluate_every,
            "data": {
                "benchmark": _clips(max(1, num_held_out // 2)),
                "split": "val",
                "max_samples": num_held_out,
            },
        },
        "checkpoints": {"every": 20},
        "grpo": training,
        "seed": seed,
    }


def _clips(count: int) -> dict[str, Any]:
    options = {"num_videos": count, "size": [96, 96], "num_frames": NUM_FRAMES}
    # Where nothing fits, there is no mask to reward.
    return {"name": "synthetic", "options": {**options, "difficulty": "appearance"}}
