"""DeepSpeed in processes on the CPU, where accelerate itself would not use it."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.utils import DeepSpeedPlugin, DistributedType


def use_zero(accelerator: Accelerator, stage: int) -> Accelerator:
    """Let an accelerator use DeepSpeed as it would with GPUs and a stage in its configuration."""
    plugin = DeepSpeedPlugin(zero_stage=stage, gradient_accumulation_steps=1)
    plugin.set_mixed_precision("no")
    plugin.select(_from_accelerator_state=True)
    for state in (PartialState(), accelerator.state):
        state.distributed_type = DistributedType.DEEPSPEED
    accelerator.state.deepspeed_plugins = {"default": plugin}
    return accelerator


def use_deepspeed(stage: int = 2) -> None:
    """Let runs of this process use DeepSpeed."""
    import videoseg_train.building as building

    make = building.make_accelerator

    def made(**options: Any) -> Accelerator:
        return use_zero(make(**options), stage)

    vars(building)["make_accelerator"] = made
