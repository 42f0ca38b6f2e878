"""The configurations in ``examples/training/`` are right, and the small ones run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from videoseg_train import PRESETS, diagnostics, read_training_config, train
from videoseg_train.check import check_training
from videoseg_train.config import Method

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "training"
RUNS = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.startswith("accelerate"))
TINY = [path for path in RUNS if path.name.startswith("tiny")]
# What a check cannot find without data, weights or a server.
NEEDS_FILES = ("data", "evaluation")


def methods_of(path: Path) -> list[Method]:
    found: list[Method] = ["sft", "grpo"]
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [method for method in found if method in data]


def test_there_is_one_for_each_published_recipe() -> None:
    names = {path.stem for path in RUNS}
    stages = {
        f"o3-{size}-{stage}" for size in ("2b", "4b") for stage in ("masks", "traces", "grpo")
    }
    assert names == stages | {"r1-3b-one-gpu", "r1-7b-eight-gpus", "tiny-r1", "tiny-o3"}


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_it_is_listed_and_all_but_data_and_weights_is_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert f"({path.parent.name}/{path.name})" in (ROOT / "examples" / "README.md").read_text()
    [method] = methods_of(path)
    assert read_training_config(path, method).given
    for part in check_training(path, method):
        needs_files = path not in TINY and part.part.split()[-1] in NEEDS_FILES
        assert part.ok or needs_files, str(part)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_full_parameters_are_trained_in_float32_unless_fsdp_keeps_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    [method] = methods_of(path)
    assert read_training_config(path, method).model.dtype == "float32" or "accelerate-fsdp" in text


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_a_small_one_makes_a_step(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    options = {"num_videos": 1, "queries_per_video": 2, "size": [96, 96], "num_frames": 8}
    few: dict[str, Any] = {
        "benchmark": {"name": "synthetic", "options": {**options, "difficulty": "appearance"}}
    }
    changes = {
        "data": few,
        "evaluation": {"data": {**few, "split": "val"}},
        "grpo": {"steps": 1, "samples_per_step": 1, "group_size": 2},
    }
    result = train(
        read_training_config(path, "grpo", changes=changes), tmp_path / "run", quiet=True
    )
    assert result.metrics["failed"] == 0
    assert (result.model / "model.safetensors").is_file()
    assert result.report.is_file()


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("accelerate*.yaml")), ids=lambda path: path.stem
)
def test_accelerate_reads_its_configuration(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == 8
    if "fsdp" in path.name:
        assert config.fsdp_config["fsdp_version"] == 2
        assert config.fsdp_config["fsdp_cpu_ram_efficient_loading"] is False


def test_the_tutorial_shows_the_file_that_it_runs() -> None:
    page = (ROOT / "docs" / "tutorial" / "train-a-policy.md").read_text(encoding="utf-8")
    text = (FOLDER / "tiny-r1.yaml").read_text(encoding="utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    assert shown == text[text.index("model:") :]


@pytest.mark.parametrize(
    "words",
    [
        "episodes failed",
        "are equal",
        "for every rollout",
        "are on none of the frames",
        "other numbers of [SEG] and of masks",
        "the entropy of a token has fallen",
        "log-probabilities differ by",
    ],
)
def test_each_warning_is_explained(words: str) -> None:
    page = (ROOT / "docs" / "how-to" / "read-a-training-report.md").read_text(encoding="utf-8")
    strings = re.findall(r'"([^"]*)"', inspect.getsource(diagnostics))
    assert words in page
    assert words in "".join(strings), "the warning has other words now"


def test_the_presets_of_the_recipes_are_used() -> None:
    used = {yaml.safe_load(path.read_text(encoding="utf-8")).get("preset") for path in RUNS}
    assert used == {None, "r1", "o3"} and set(PRESETS) >= used - {None}
