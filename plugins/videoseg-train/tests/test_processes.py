"""Several processes make the step that one makes alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import several_processes
import torch
import train_in_process
import training_runs
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from videoseg_train import CheckpointError, Checkpoints, OptimizerSettings, TrainingError
from videoseg_train.processes import fail_together, is_foreseen
from videoseg_train.sharding import check_sharding
from videoseg_train.zero import check_shares, set_up_zero

from videoseg import ConfigError

# All that several processes do is done in one start, for which the first of these tests waits.
pytestmark = pytest.mark.timeout(900)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def start_processes(count, script, *arguments):
    """Start a script in some processes that know each other."""
    shared = {
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return [
        subprocess.Popen(
            [sys.executable, script, *map(str, arguments)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]


def run_processes(count, script, *arguments):
    """Run a script to its end in some processes that know each other."""
    running = start_processes(count, script, *arguments)
    try:
        outputs = [process.communicate(timeout=900)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    codes = [process.returncode for process in running]
    assert codes == [0] * count, "\n".join(output[-3000:] for output in outputs)


# Three samples are one and two; of one sample, a process has nothing.
COUNTS = (3, 1)


@pytest.fixture(scope="module")
def together(seg_folder, vlm_folder, tmp_path_factory):
    """Return what two processes have done; see ``several_processes``."""
    folder = tmp_path_factory.mktemp("processes")
    run_processes(2, several_processes.__file__, seg_folder, vlm_folder, folder, *COUNTS)
    results = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]
    made, are_same, said = zip(*results, strict=True)
    return SimpleNamespace(folder=folder, made=made, are_same=are_same, said=said)


@pytest.fixture(scope="module")
def alone(seg_folder):
    return [train_in_process.train(seg_folder, count) for count in COUNTS]


@pytest.mark.slow
def test_rollouts_of_shared_parameters_are_those_of_whole_ones(together):
    assert together.are_same == (True, True)


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["whole parameters", "FSDP"])
def test_two_processes_make_the_step_of_one(fsdp, alone, together):
    for number, (count, expected) in enumerate(zip(COUNTS, alone, strict=True)):
        assert expected["metrics"][0]["seg_tokens"] > count
        for result in (made[number + fsdp * len(COUNTS)] for made in together.made):
            assert result["warnings"] == expected["warnings"]
            for mine, others in zip(expected["metrics"], result["metrics"], strict=True):
                assert others.keys() == mine.keys()
                for name, value in mine.items():
                    assert others[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
            # Adam makes steps of one size of any gradient, so that is compared, too.
            largest = max(value.abs().max() for value in expected["gradients"].values())
            for name, value in expected["gradients"].items():
                difference = (result["gradients"][name] - value).abs().max()
                assert difference < 1e-5 * largest, name
            for name, value in expected["parameters"].items():
                difference = (result["parameters"][name] - value).abs().max().item()
                assert difference < 1e-5, name


# -- failures ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_error_in_one_process_ends_both_and_loses_nothing(together):
    first, second = together.said
    assert first == "process 1 of 2 has failed: TrainingError: the judge is out"
    assert second == "the judge is out"
    assert Checkpoints(together.folder / "failed" / "checkpoints").steps() == [2, 3]


def told(monkeypatch, *others):
    """Let other processes have told something after this one."""
    monkeypatch.setattr("videoseg_train.processes.gather_object", lambda mine: [*mine, *others])


def test_all_processes_raise_together_and_agree_on_what_can_be_saved(monkeypatch):
    mine = TrainingError("mine")
    told(monkeypatch, None)
    with fail_together(True):
        pass
    with pytest.raises(TrainingError) as caught, fail_together(True):
        raise mine
    assert caught.value is mine
    told(monkeypatch, None, ("VideoError: torn", True))
    with (
        pytest.raises(
            TrainingError, match="process 2 of 3 has failed: VideoError: torn"
        ) as caught,
        fail_together(True),
    ):
        pass
    assert is_foreseen(caught.value)
    told(monkeypatch, ("ZeroDivisionError: 0", False))
    match = "process 1 of 2 has failed: ZeroDivision"
    with pytest.raises(TrainingError, match=match) as caught, fail_together(True):
        raise mine
    assert not is_foreseen(caught.value)
    assert caught.value.__cause__ is mine
    told(monkeypatch, ("VideoError: torn", True))
    with pytest.raises(ZeroDivisionError), fail_together(True):
        raise ZeroDivisionError
    with pytest.raises(TrainingError, match="No space") as caught, fail_together(True):
        told(monkeypatch, ("OutputError: No space", False))
    assert not is_foreseen(caught.value)


def test_one_process_asks_no_other(monkeypatch):
    monkeypatch.setattr("videoseg_train.processes.gather_object", None)
    with pytest.raises(ZeroDivisionError), fail_together(False):
        raise ZeroDivisionError


# -- whole runs with FSDP ------------------------------------------------------------------------


def read_run(folder):
    """Return the metrics of each line of a run, and the model that it has saved."""
    from safetensors.torch import load_file

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    weights = load_file(folder / "model" / "model.safetensors")
    return [json.loads(line)["metrics"] for line in lines], weights


def assert_near(folder, whole):
    (mine, weights), (others, expected) = read_run(folder), read_run(whole)
    assert len(mine) == len(others)
    for one, other in zip(mine, others, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        assert (weights[name] - value).abs().max() < 1e-5, name


@pytest.mark.slow
def test_a_run_with_fsdp_is_that_of_one_process(vlm_folder, together, tmp_path):
    training_runs.run(training_runs.make_config("grpo", vlm_folder), tmp_path / "alone")
    assert_near(together.folder / "whole", tmp_path / "alone")
    page = (together.folder / "whole" / "training.html").read_text()
    assert "5 steps in" in page


@pytest.mark.slow
def test_a_run_with_fsdp_that_was_killed_goes_on(vlm_folder, together, tmp_path):
    whole, resumed = together.folder / "whole", together.folder / "resumed"
    killed = tmp_path / "killed"
    shutil.copytree(together.folder / "killed", killed)
    assert '"step": 3, "metrics"' in (killed / "metrics.jsonl").read_text()
    assert Checkpoints(killed / "checkpoints").steps() == [2]
    assert (resumed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    (_, weights), (_, expected) = read_run(resumed), read_run(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights.items())
    # Its checkpoints are those of any number of processes.
    training_runs.run(training_runs.make_config("grpo", vlm_folder), killed, resume=True)
    assert_near(killed, whole)


@pytest.mark.slow
def test_adapters_are_trained_and_merged_with_fsdp(vlm_folder, together, tmp_path):
    config = training_runs.make_config("sft", vlm_folder, sft=training_runs.lora_settings())
    training_runs.run(config, tmp_path / "alone")
    assert_near(together.folder / "lora", tmp_path / "alone")


@pytest.mark.slow
def test_a_run_with_deepspeed_is_that_of_one_process_and_goes_on(vlm_folder, tmp_path):
    pytest.importorskip("deepspeed")
    output, last = tmp_path / "run", "step-00000005"
    arguments = (training_runs.__file__, "sft", vlm_folder, output, "deepspeed")
    run_processes(2, *arguments)
    training_runs.run(training_runs.make_config("sft", vlm_folder), tmp_path / "alone")
    assert_near(output, tmp_path / "alone")
    shards = output / "checkpoints" / last / "shards"
    assert len(list(shards.rglob("*optim_states.pt"))) == 2
    before = (output / "metrics.jsonl").read_bytes()
    shutil.rmtree(output / "checkpoints" / last)
    run_processes(2, *arguments)
    assert (output / "metrics.jsonl").read_bytes() == before
    with pytest.raises(CheckpointError, match="made with DeepSpeed and cannot be resumed without"):
        config = training_runs.make_config("sft", vlm_folder)
        training_runs.run(config, output, resume=True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"zero_optimization": {"stage": 3}}, "ZeRO stage 3 takes the model apart"),
        ({"optimizer": {"type": "AdamW"}}, "take 'optimizer' out of DeepSpeed's configuration"),
        ({"gradient_accumulation_steps": 4}, "set 'gradient_accumulation_steps: 1'"),
    ],
)
def test_what_deepspeed_cannot_do_is_refused(config, message):
    stage = config.get("zero_optimization", {}).get("stage", 2)
    plugin = SimpleNamespace(zero_stage=stage, deepspeed_config=config)
    accelerator = SimpleNamespace(state=SimpleNamespace(deepspeed_plugin=plugin), num_processes=2)
    policy = SimpleNamespace(seg_model=None)
    with pytest.raises(ConfigError, match=message):
        set_up_zero(accelerator, policy, OptimizerSettings())
    with pytest.raises(ConfigError, match="each process needs a sample"):
        check_shares(0, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fsdp_version": 1}, "set 'fsdp_version: 2'"),
        ({"cpu_ram_efficient_loading": True}, "set 'fsdp_cpu_ram_efficient_loading: false'"),
        ({"auto_wrap_policy": "size_based_wrap", "min_num_params": 9}, "TRANSFORMER_BASED_WRAP"),
    ],
)
def test_what_fsdp_cannot_do_is_refused(options, message):
    plugin = FullyShardedDataParallelPlugin(
        **{"fsdp_version": 2, "cpu_ram_efficient_loading": False, **options}
    )
    state = SimpleNamespace(fsdp_plugin=plugin)
    accelerator = SimpleNamespace(distributed_type=DistributedType.FSDP, state=state)
    with pytest.raises(ConfigError, match=message):
        check_sharding(accelerator)
