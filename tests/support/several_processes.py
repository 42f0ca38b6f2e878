"""All that tests let two processes do together, in one start, which costs more than the work.

``several_processes.py SEG_MODEL VLM_MODEL FOLDER SAMPLES...``; rank, number and address of the
process are read from the environment by accelerate. In the folder are then

* ``RANK.pt``: the results of ``train_in_process.train`` for each number of samples, without and
  with FSDP; whether rollouts of shared parameters are those of whole ones; and what the run said
  that failed in one process;
* ``failed``, ``whole`` and ``lora``: runs; all but the first with FSDP;
* ``killed`` and ``resumed``: ``whole`` as a kill in its fourth step leaves it, and gone on from
  there.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
import train_in_process
import training_runs
from fsdp_on_cpu import use_fsdp
from videoseg_train import RewardTerm, TrainingError
from videoseg_train.processes import leave_processes


class Copying(training_runs.Even):
    """Copies the folder of a run in its fourth step: no more is on the disk if it is killed then.

    Args:
        folder: The folder.
        copy: Where to.
    """

    def __init__(self, folder: Path, copy: Path) -> None:
        self._folder, self._copy = folder, copy
        self._calls = 0

    def __call__(self, rollout: Any, truth: Any) -> float:
        """Return the reward."""
        self._calls += 1
        # Three rollouts in each step; the held-out sample is the other process's.
        if os.environ["RANK"] == "0" and self._calls == 3 * 3 + 1:
            shutil.copytree(self._folder, self._copy)
        return super().__call__(rollout, truth)


def fail(model: Path, folder: Path) -> str:
    """Return what a run says that fails in the second process."""
    rewards = [RewardTerm("even", training_runs.FailingInOneProcess())]
    try:
        training_runs.run(training_runs.make_config("grpo", model), folder, rewards=rewards)
    except TrainingError as error:
        return str(error)
    return ""


def main() -> None:
    """Do all of it."""
    seg_model, model, folder = map(Path, sys.argv[1:4])
    counts = [int(count) for count in sys.argv[4:]]
    made = [train_in_process.train(seg_model, count) for count in counts]
    said = fail(model, folder / "failed")
    # From here on with FSDP, since accelerate keeps that in mind.
    made += [train_in_process.train(seg_model, count, fsdp=True) for count in counts]
    is_same = train_in_process.roll_sharded(seg_model)
    rank = torch.distributed.get_rank()
    torch.save((made, is_same, said), folder / f"{rank}.pt")
    use_fsdp()
    config = training_runs.make_config("grpo", model)
    copying = RewardTerm("even", Copying(folder / "whole", folder / "killed"))
    training_runs.run(config, folder / "whole", rewards=[copying])
    if rank == 0:
        shutil.copytree(folder / "killed", folder / "resumed")
    torch.distributed.barrier()
    training_runs.run(config, folder / "resumed", resume=True)
    adapters = training_runs.make_config("sft", model, sft=training_runs.lora_settings())
    training_runs.run(adapters, folder / "lora")
    leave_processes()


if __name__ == "__main__":
    main()
