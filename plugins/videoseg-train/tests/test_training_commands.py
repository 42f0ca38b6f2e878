"""``videoseg train`` on synthetic clips, with the teacher and the rewards of this package."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner
from videoseg_train.cli import train as command

pytest.importorskip("videoseg_synthetic")

CLIPS = {"name": "synthetic", "options": {"num_videos": 2, "size": [64, 64], "num_frames": 12}}


def call(*arguments):
    found = CliRunner().invoke(command, list(map(str, arguments)))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def write_config(path, model, *, kind, stages, **changes):
    data = {
        "model": {"path": str(model), "kind": kind, "dtype": "float32", "device": "cpu"},
        "policy": {"max_tokens": 6, "max_pixels": 64 * 64},
        "stages": stages,
        "data": {"benchmark": CLIPS, "max_samples": 2},
        "evaluation": {"every": 2, "data": {"benchmark": CLIPS, "split": "val", "max_samples": 1}},
        "sft": {"steps": 2, "samples_per_step": 1, "optimizer": {"learning_rate": 1e-3}},
        **changes,
    }
    path.write_text(yaml.safe_dump(data))
    return path


R1 = {
    "sampler": {"name": "target-frame", "options": {"num_context": [1, 1]}},
    "grounder": "r1",
    "propagator": "flow",
    "max_turns": 1,
}
O3 = {
    "sampler": {"name": "coarse", "options": {"preset": "rollout"}},
    "grounder": {"name": "o3", "options": {"answer": "seg"}},
}


def test_a_policy_is_trained_and_trained_on_by_two_commands(vlm_folder, tmp_path):
    grpo = {
        "steps": 2,
        "samples_per_step": 1,
        "group_size": 2,
        "rewards": [
            {"name": "r1-format", "fade_steps": 2},
            "r1-accuracy",
            {"name": "r1-length", "use": "factor", "options": {"budget": 2}},
        ],
    }
    path = write_config(tmp_path / "run.yaml", vlm_folder, kind="vlm", stages=R1, grpo=grpo)
    found = call("check", path)
    assert found.exit_code == 0, found.output
    assert "ok  grpo rewards: r1-format, r1-accuracy, r1-length" in found.output
    found = call("sft", path, "-o", tmp_path / "sft", "--quiet", "--json")
    first = json.loads(found.stdout)
    assert first["steps"] == 2
    assert "reward" not in first["metrics"]
    found = call("grpo", path, "-o", tmp_path / "grpo", "--model", first["model"], "-q")
    assert found.stdout == ""
    lines = [json.loads(x) for x in (tmp_path / "grpo" / "metrics.jsonl").read_text().splitlines()]
    assert {"j_and_f", "reward", "failed"} <= lines[0]["metrics"].keys()
    steps = [line["metrics"] for line in lines if line["kind"] == "step"]
    assert {"rewards/r1-format", "rewards/r1-accuracy", "rewards/r1-length"} <= steps[0].keys()


def test_a_seg_policy_is_trained_over_turns_with_its_masks(seg_folder, tmp_path):
    own = {
        "steps": 2,
        "samples_per_step": 1,
        "parts": ["language", "embeddings", "projector", "mask-decoder"],
        "optimizer": {"learning_rate": 1e-4},
    }
    path = write_config(
        tmp_path / "run.yaml", seg_folder, kind="seg", stages=O3, sft={**own, "teacher": {}}
    )
    found = call("sft", path, "-o", tmp_path / "sft", "--json")
    assert json.loads(found.stdout)["steps"] == 2
    lines = [json.loads(x) for x in (tmp_path / "sft" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["metrics"] for line in lines if line["kind"] == "step"]
    assert steps[0]["mask_cross_entropy"] > 0
    assert steps[0]["left_out"] == 0
    # What was saved is what the next stage begins with.
    grpo = {
        **own,
        "steps": 1,
        "group_size": 2,
        "calibration": {"threshold": 0.5},
        "mask_weight": 0.2,
        "rewards": ["o3-format", "o3-steps", "o3-mask"],
    }
    path = write_config(
        tmp_path / "next.yaml", tmp_path / "sft" / "model", kind="seg", stages=O3, grpo=grpo
    )
    found = call("grpo", path, "-o", tmp_path / "grpo")
    assert "1 steps: " in found.stdout
    assert str(tmp_path / "grpo" / "training.html") in found.stdout
