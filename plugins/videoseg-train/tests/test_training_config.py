"""Configurations of training: read strictly, every problem at once; presets; the commands."""

from __future__ import annotations

import json

import pytest
import yaml
from training_runs import call_command as call
from videoseg_train import PRESETS, GrpoSettings, SftSettings, read_training_config

import videoseg as vs
from videoseg import ConfigError

PLAIN = """
model: {path: somewhere}
stages:
  sampler: {name: uniform, options: {num_frames: 4}}
  grounder: r1
  propagator: flow
  max_turns: 2
data:
  benchmark: {name: synthetic, options: {num_videos: 2, size: [64, 64], num_frames: 12}}
evaluation:
  every: 3
  data: {benchmark: synthetic, split: val, max_samples: 5}
sft: {steps: 4, teacher: {box_spread: 0.1}}
grpo:
  epochs: 2
  samples_per_step: 4
  group_size: 6
  clip: [0.2, 0.3]
  parts: [language]
  lora: {rank: 4, alpha: 8}
  calibration: {weight: 0.5}
  optimizer: {learning_rate: 1e-5, schedule: linear}
"""


def test_a_configuration_is_read_with_its_types():
    config = read_training_config(PLAIN, "grpo")
    training = config.training
    assert config.stages == type(config.stages)(vs.use("uniform", num_frames=4), vs.use("r1"), 2)
    assert config.propagator == vs.use("flow")
    assert isinstance(training.settings, GrpoSettings)
    assert training.settings.group_size == 6
    assert training.settings.clip == (0.2, 0.3)
    assert training.settings.calibration.weight == 0.5
    assert training.lora.rank == 4
    assert training.optimizer.learning_rate == 1e-5
    assert training.num_steps(num_samples=10) == 5
    assert config.evaluation.data.max_samples == 5
    assert isinstance(read_training_config(PLAIN, "sft").training.settings, SftSettings)


def test_what_is_written_is_read_again():
    config = read_training_config(PLAIN, "grpo")
    assert read_training_config(config.to_yaml(), "grpo") == config
    preset = read_training_config("preset: r1\nseed: 3\n", "grpo")
    assert read_training_config(preset.to_yaml(), "grpo").training == preset.training


def test_steps_take_the_place_of_the_epochs_of_a_preset():
    training = read_training_config("preset: r1\ngrpo: {steps: 7}\n", "grpo").training
    assert (training.steps, training.epochs) == (7, None)
    longer = read_training_config(PLAIN, "sft", changes={"sft": {"epochs": 2.0}}).training
    assert (longer.steps, longer.epochs) == (None, 2.0)


def test_every_problem_is_reported_at_once():
    text = """
modle: {path: x}
model: {kind: llm}
stages: {sampler: uniform, max_turns: 0}
grpo:
  steps: 0
  epochs: 1
  group_sise: 4
  clip: often
  optimizer: {learning_rate: fast, num_steps: 4}
  lora: {rnak: 3}
  rewards: [iou, {name: iou}, {weight: 1}]
  teacher: {}
checkpoints: {keep: true}
report_to: [paper]
seed: 1.5
"""
    with pytest.raises(ConfigError) as caught:
        read_training_config(text, "grpo")
    problems = "\n".join(caught.value.problems)
    for part in (
        "unknown key 'modle', did you mean 'model'?",
        "'model.kind' must be 'vlm' or 'seg', got 'llm'",
        "'model.path' is missing",
        "'stages.grounder' is missing",
        "'stages.max_turns' must be at least 1",
        "unknown key 'group_sise', did you mean 'group_size'?",
        "'grpo.clip' must be",
        "'grpo.optimizer.learning_rate' must be",
        "'grpo.optimizer.num_steps' is set by 'steps'",
        "unknown key 'rnak', did you mean 'rank'?",
        "'grpo.rewards' has 'iou' more than once",
        "'grpo.rewards[2].name' is missing",
        "'grpo.teacher' has no meaning for grpo",
        "'checkpoints.keep' must be a number, got True",
        "'report_to",
        "'seed' must be",
    ):
        assert part in problems, part


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("grpo: {steps: 0}", "'grpo.steps' must be at least 1, got 0"),
        ("grpo: {steps: 1, epochs: 1}", "both steps and epochs"),
        ("grpo: {group_size: 1}", "group_size must be at least 2"),
        ("grpo: {parts: []}", "trains nothing"),
        ("grpo: {parts: [projector]}", "only models of kind 'seg' have"),
        ("grpo: {warmup_share: 1}", r"'grpo.warmup_share' must lie in \[0, 1\)"),
        ("policy: {top_p: 0}", "'policy.top_p' must lie in"),
        ("preset: r2", "preset 'r2' is not one of r1, o3, o3-released"),
        ("videoseg_train: 2", "is not a version"),
        ("stages: 3", "'stages' must be a mapping"),
    ],
)
def test_values_out_of_range_are_refused(change, problem):
    text = f"model: {{path: x}}\nstages: {{sampler: uniform, grounder: r1}}\n{change}\n"
    data = {"model": {"path": "x"}, "stages": {"sampler": "uniform", "grounder": "r1"}}
    text = yaml.safe_dump({**data, **yaml.safe_load(change)})
    with pytest.raises(ConfigError, match=problem):
        read_training_config(text, "grpo")


def test_presets_have_the_published_values():
    r1 = read_training_config("preset: r1\n", "grpo")
    assert (r1.training.samples_per_step, r1.training.settings.group_size) == (16, 8)
    assert (r1.training.optimizer.learning_rate, r1.training.optimizer.weight_decay) == (
        1e-6,
        0.01,
    )
    assert r1.training.settings.divergence_limit == 10
    o3 = read_training_config("preset: o3\nmodel: {path: x}\n", "grpo").training
    released = read_training_config("preset: o3-released\nmodel: {path: x}\n", "grpo").training
    assert (o3.steps, o3.settings.group_size, o3.settings.clip) == (1000, 4, None)
    assert o3.settings.divergence_weight == 0.04
    assert o3.settings.calibration.threshold == 0
    assert released.settings.calibration.threshold == 0.5
    cold = read_training_config("preset: o3\nmodel: {path: x}\n", "sft").training
    assert (cold.lora.rank, cold.lora.alpha, cold.warmup_share) == (128, 256, 0.05)
    with pytest.raises(ConfigError, match=r"'model.path' is missing"):
        read_training_config("preset: o3\nseed: 1\n", "sft")


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_file_says_comes_before_its_preset(name):
    text = f"preset: {name}\nmodel: {{path: x}}\ngrpo: {{group_size: 3, calibration: null}}\n"
    config = read_training_config(text, "grpo")
    assert config.training.settings.group_size == 3
    assert config.training.settings.calibration is None
    assert config.training.samples_per_step == 16


# -- commands --------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        call("sft", tmp_path / "none.yaml", "-o", tmp_path / "out")
    (tmp_path / "bad.yaml").write_text("model: [")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        call("grpo", tmp_path / "bad.yaml", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    (tmp_path / "run.yaml").write_text(PLAIN)
    with pytest.raises((vs.MissingWeightsError, ConfigError), match=str(tmp_path / "m")):
        call("sft", tmp_path / "run.yaml", "-o", tmp_path / "out", "--model", tmp_path / "m")


def test_check_says_what_is_missing(tmp_path):
    pytest.importorskip("videoseg_synthetic")
    path = tmp_path / "run.yaml"
    text = PLAIN.replace("benchmark: synthetic,", "benchmark: sinthetic,")
    path.write_text(text)
    status, output = call("check", path, "--method", "grpo", "--json")
    assert status == 1, output
    parts = {one["part"]: one for one in json.loads(output)}
    assert parts["grpo stages"]["ok"]
    assert parts["grpo data"]["text"] == "3 samples, 2 steps"
    assert "sinthetic" in parts["grpo evaluation"]["text"]
    assert not parts["grpo rewards"]["ok"]
