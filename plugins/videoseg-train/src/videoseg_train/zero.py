"""What training with DeepSpeed needs besides accelerate: ZeRO stages 0 to 2.

DeepSpeed makes the optimizer's step inside ``backward``, scales the gradient down itself and
leaves out a step whose gradient is not finite. Its ZeRO optimizers keep their states in parts, one
for each process, which only as many processes can read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from videoseg import ConfigError
from videoseg_train.policy import Policy
from videoseg_train.settings import OptimizerSettings

__all__ = ["check_shares", "load_shards", "save_shards", "set_up_zero", "touch"]

_TAG = "shards"


def set_up_zero(accelerator: Accelerator, policy: Policy, settings: OptimizerSettings) -> None:
    """Put into DeepSpeed's configuration what training knows, before the policy is prepared.

    Args:
        accelerator: The accelerator.
        policy: The policy that will be trained.
        settings: The optimizer's.

    Raises:
        ConfigError: If DeepSpeed is configured in a way that training does not know.
    """
    plugin: Any = accelerator.state.deepspeed_plugin
    config = plugin.deepspeed_config
    problems = []
    if plugin.zero_stage == 3:
        problems.append(
            "ZeRO stage 3 takes the model apart, but episodes need it whole; set 'zero_stage: 2', "
            "or share out the parameters with FSDP ('fsdp_version: 2')"
        )
    if policy.seg_model is not None:
        problems.append(
            "policies that segment are not trained with DeepSpeed, since what they compute "
            "differs from process to process; use FSDP ('fsdp_version: 2') or plain processes"
        )
    problems += [
        f"take {name!r} out of DeepSpeed's configuration; the run's own has it"
        for name in ("optimizer", "scheduler")
        if name in config
    ]
    if config.get("gradient_accumulation_steps", 1) not in (1, "auto"):
        problems.append(
            "set 'gradient_accumulation_steps: 1' for DeepSpeed; 'batch' says how steps are cut "
            "into parts"
        )
    if problems:
        raise ConfigError(problems)
    # Only a name for DeepSpeed: what a part of a step holds is none of its business.
    config["train_micro_batch_size_per_gpu"] = 1
    config["train_batch_size"] = accelerator.num_processes
    config["gradient_accumulation_steps"] = 1
    config["gradient_clipping"] = settings.max_gradient_norm or 0.0


def check_shares(smallest: int, num_processes: int) -> None:
    """Check that each process has something to compute in a step.

    Args:
        smallest: How many parts the process with the fewest has.
        num_processes: How many processes there are.

    Raises:
        ConfigError: If one has none. Its gradients would come in another order.
    """
    if smallest == 0:
        raise ConfigError(
            "with DeepSpeed, each process needs a sample that can be trained on in each step; "
            f"set 'samples_per_step' to at least the number of processes, {num_processes}, or use "
            "fewer"
        )


def touch(parameters: Iterable[Tensor]) -> Tensor:
    """Return 0 with a gradient of 0 to all parameters: processes exchange the same ones."""
    total: Tensor | None = None
    for value in parameters:
        part = value.flatten()[:1].sum() * 0.0
        total = part if total is None else total + part
    assert total is not None
    return total


def save_shards(engine: Any, folder: Path) -> None:
    """Write this process's part of the state; all processes must do it, to the same folder."""
    engine.save_checkpoint(str(folder), tag=_TAG, exclude_frozen_parameters=True)


def load_shards(engine: Any, folder: Path) -> None:
    """Take over what ``save_shards`` has written with as many processes."""
    engine.load_checkpoint(str(folder), tag=_TAG, load_module_strict=False)
