"""FSDP in processes on the CPU, where accelerate itself would not use it."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin


def share_parameters(accelerator: Accelerator, **options: Any) -> Accelerator:
    """Let an accelerator use FSDP as it would with GPUs and this part of its configuration."""
    # Both states are shared; each new accelerator state takes over the other one.
    for state in (PartialState(), accelerator.state):
        state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        **{
            "fsdp_version": 2,
            "auto_wrap_policy": "transformer_based_wrap",
            "cpu_ram_efficient_loading": False,
            **options,
        }
    )
    return accelerator


def use_fsdp() -> None:
    """Let runs of this process use FSDP."""
    import videoseg_train.building as building

    make = building.make_accelerator
    vars(building)["make_accelerator"] = lambda **options: share_parameters(make(**options))
