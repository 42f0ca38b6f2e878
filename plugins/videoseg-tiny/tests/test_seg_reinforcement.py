"""Reinforcement of the [SEG] model with calibration, from the configuration that is given."""

from __future__ import annotations

import json

import pytest
from torchvision_builds import declare_missing_operators

declare_missing_operators()

from videoseg_tiny.plugin import SEG_MODEL  # noqa: E402
from videoseg_tiny.seg_reinforcement import reinforcement_config  # noqa: E402
from videoseg_train import train, training_config  # noqa: E402


@pytest.mark.parametrize("target", ["own", "truth"])
def test_a_step_with_calibration_and_mask_losses(target, tmp_path):
    given = reinforcement_config(
        SEG_MODEL,
        calibration={"weight": 1.0, "target": target},
        mask_weight=0.2,
        steps=1,
        samples_per_step=2,
        group_size=2,
        num_clips=2,
        num_held_out=2,
        evaluate_every=0,
    )
    result = train(training_config(given, "grpo"), tmp_path / "run", quiet=True)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    [step] = [json.loads(line) for line in lines]
    assert step["metrics"]["errors"] == 0, step
    # Four rollouts, each with a [SEG] in both turns.
    assert step["metrics"]["seg_tokens"] == 8
    assert step["metrics"]["gradient_norm"] > 0
    assert step["metrics"]["mask_loss"] > 0
    assert (result.model / "model.safetensors").is_file()
