"""``videoseg train`` on synthetic clips, with the teacher and the rewards of this package."""

from __future__ import annotations

import json

import cv2
import pytest
import yaml
from training_runs import call_command as call
from videoseg_train.building import check_trackers

from videoseg.errors import MissingDependencyError
from videoseg.testing import moving_square
from videoseg.types import Rle

pytest.importorskip("videoseg_synthetic")

CLIPS = {"name": "synthetic", "options": {"num_videos": 2, "size": [64, 64], "num_frames": 12}}


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
    status, output = call("check", path)
    assert status == 0, output
    assert "ok  grpo rewards: r1-format, r1-accuracy, r1-length" in output
    _, output = call("sft", path, "-o", tmp_path / "sft", "--quiet", "--json")
    first = json.loads(output)
    assert first["steps"] == 2
    assert "reward" not in first["metrics"]
    _, output = call("grpo", path, "-o", tmp_path / "grpo", "--model", first["model"], "-q")
    assert output == ""
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
    _, output = call("sft", path, "-o", tmp_path / "sft", "--json")
    assert json.loads(output)["steps"] == 2
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
    _, output = call("grpo", path, "-o", tmp_path / "grpo")
    assert "1 steps: " in output
    assert str(tmp_path / "grpo" / "training.html") in output


def write_traces(folder):
    """Write a VTS-CoT file with a trace of two turns; return the data section that names it."""
    clip = moving_square(30, size=(48, 64))
    names = [f"{number:05d}" for number in range(30)]
    (folder / "pictures" / "clip").mkdir(parents=True)
    for name, frame in zip(names, clip.video, strict=True):
        cv2.imwrite(str(folder / "pictures" / "clip" / f"{name}.png"), frame[..., ::-1])
    masks = {"7": [Rle.encode(mask).to_coco() for mask in clip.masks[1]]}
    (folder / "masks.json").write_text(json.dumps(masks))

    def said(tag, start, end, keyframe):
        frames = json.dumps({"start": start, "end": end, "keyframe": keyframe})
        return f"<think>1</think><{tag}><VTG>{frames}</VTG> <RefSeg>[SEG]</RefSeg></{tag}>"

    trace = {
        "video_name": "clip",
        "frames": names,
        "exp": "the square",
        "anno_id": [7],
        "sample_frame_indice": [1, 8, 15, 29],
        "cot_trace": [{"start_frame": 3, "end_frame": 23, "key_frame": 9}],
        "round_num": 1,
        "conversations": [
            {"from": "system", "value": "You are ..."},
            {"from": "human", "value": "Find the square."},
            {"from": "gpt", "value": said("select", 3, 23, 9)},
            {"from": "human", "value": "<image> Go on."},
            {"from": "gpt", "value": said("answer", 5, 8, 6)},
        ],
    }
    (folder / "traces.json").write_text(json.dumps([trace]))
    return {
        "file": str(folder / "traces.json"),
        "format": "vts-cot",
        "pictures": str(folder / "pictures"),
        "masks": str(folder / "masks.json"),
    }


def test_published_traces_are_trained_on(seg_folder, tmp_path):
    path = write_config(
        tmp_path / "run.yaml",
        seg_folder,
        kind="seg",
        stages={**O3, "sampler": "trace"},
        data=write_traces(tmp_path),
        evaluation={},
        sft={"steps": 1, "samples_per_step": 1, "optimizer": {"learning_rate": 1e-4}},
    )
    call("sft", path, "-o", tmp_path / "out")
    [line] = [json.loads(x) for x in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert line["metrics"]["mask_cross_entropy"] > 0
    assert line["metrics"]["tokens"] > 100


def test_a_length_penalty_by_difficulty_needs_ratings(vlm_folder, tmp_path):
    grpo = {"steps": 1, "rewards": ["r1-format", {"name": "r1-length", "use": "factor"}]}
    path = write_config(tmp_path / "run.yaml", vlm_folder, kind="vlm", stages=R1, grpo=grpo)
    status, output = call("check", path, "--method", "grpo")
    assert status == 1
    assert "give 'data.difficulty' a chat model" in output


def test_a_propagator_that_does_not_take_seg_answers_is_refused_before_training(
    seg_folder, tmp_path
):
    stages = {**O3, "propagator": "flow"}
    path = write_config(tmp_path / "run.yaml", seg_folder, kind="seg", stages=stages)
    status, output = call("check", path)
    assert status == 1
    assert "propagator 'flow' does not take" in output


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install trackio"):
        check_trackers(["trackio"])
