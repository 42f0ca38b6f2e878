"""Several processes make the step that one makes alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
import train_in_process


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def run_processes(count, checkpoint, samples, tmp_path):
    """Run a script in some processes that know each other; return what each has saved."""
    shared = {
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    running = [
        subprocess.Popen(
            [
                sys.executable,
                train_in_process.__file__,
                str(checkpoint),
                str(tmp_path / f"{rank}.pt"),
                *map(str, samples),
            ],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        outputs = [process.communicate(timeout=240)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    codes = [process.returncode for process in running]
    assert codes == [0] * count, "\n".join(outputs)[-3000:]
    return [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(count)]


# Three samples are one and two; of one sample, a process has nothing.
COUNTS = (3, 1)


@pytest.fixture(scope="module")
def results(seg_folder, tmp_path_factory):
    return run_processes(2, seg_folder, COUNTS, tmp_path_factory.mktemp("processes"))


@pytest.mark.slow
def test_rollouts_of_shared_parameters_are_those_of_whole_ones(results):
    assert [is_same for _, is_same in results] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["whole parameters", "FSDP"])
def test_two_processes_make_the_step_of_one(fsdp, seg_folder, results):
    for number, count in enumerate(COUNTS):
        alone = train_in_process.train(seg_folder, count)
        assert alone["metrics"][0]["seg_tokens"] > count
        for result in (made[number + fsdp * len(COUNTS)] for made, _ in results):
            for mine, others in zip(alone["metrics"], result["metrics"], strict=True):
                assert others.keys() == mine.keys()
                for name, value in mine.items():
                    assert others[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
            # Adam makes steps of one size of any gradient, so that is compared, too.
            largest = max(value.abs().max() for value in alone["gradients"].values())
            for name, value in alone["gradients"].items():
                difference = (result["gradients"][name] - value).abs().max()
                assert difference < 1e-5 * largest, name
            for name, value in alone["parameters"].items():
                difference = (result["parameters"][name] - value).abs().max().item()
                assert difference < 1e-5, name
