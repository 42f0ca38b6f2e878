"""Parameters that processes share out: whole for rollouts, in checkpoints and in the saved model.

FSDP (version 2) keeps a part of each parameter in each process, as DTensors of torch. Gradients
and the optimizer's states are shared out likewise.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn

from videoseg import ConfigError
from videoseg_train.sequences import TrainingSequence

__all__ = [
    "ModelShape",
    "check_sharding",
    "gathered",
    "plain_name",
    "share_out",
    "whole_tensors",
]

# Put by accelerate around layers whose activations FSDP computes again.
_WRAPPER = "_checkpoint_wrapped_module."


def check_sharding(accelerator: Accelerator) -> None:
    """Check that the way in which processes share out a model is one that training knows.

    Raises:
        ConfigError: If it is not; says what to set in accelerate's configuration.
    """
    kind = accelerator.distributed_type
    if kind == DistributedType.MEGATRON_LM:
        raise ConfigError(
            "policies cannot be trained with Megatron-LM; use FSDP, DeepSpeed (ZeRO stages 1 and "
            "2) or plain processes (accelerate config)"
        )
    if kind == DistributedType.FSDP:
        problems = _problems_with_fsdp(accelerator.state.fsdp_plugin)
        if problems:
            raise ConfigError(problems)


def _problems_with_fsdp(plugin: Any) -> list[str]:
    from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

    problems = []
    if plugin.fsdp_version != 2:
        problems.append(
            f"training needs version 2 of FSDP, not {plugin.fsdp_version}; set 'fsdp_version: 2' "
            "in accelerate's configuration"
        )
    if plugin.cpu_ram_efficient_loading:
        problems.append(
            "with FSDP, each process needs the model's values when it begins (for the reference "
            "and for resuming); set 'fsdp_cpu_ram_efficient_loading: false' in accelerate's "
            "configuration"
        )
    if plugin.auto_wrap_policy is size_based_auto_wrap_policy:
        problems.append(
            "FSDP's wrapping by size may take apart what a policy calls by itself; set "
            "'fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP' in accelerate's configuration"
        )
    return problems


@contextmanager
def gathered(
    network: nn.Module, filler: TrainingSequence, *, reshard: bool = True
) -> Iterator[None]:
    """Have whole parameters in this process.

    For rollouts, in which processes compute different numbers of passes and parts of the model are
    called by themselves. Without FSDP this does nothing. All processes must do it together.

    Args:
        network: The network as accelerate has wrapped it.
        filler: A sequence for a first pass, which FSDP needs before.
        reshard: Whether layers free parameters after each pass, otherwise.
    """
    from torch.distributed.fsdp import FSDPModule

    shared = [module for module in network.modules() if isinstance(module, FSDPModule)]
    if not shared:
        yield
        return
    with torch.no_grad():
        network([filler])
    for module in shared:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in shared:
            # As accelerate sets it up: the outermost module needs its parameters right again.
            module.set_reshard_after_forward(reshard and module is not network, recurse=False)
            module.reshard()
        # Processes have made different numbers of passes, whose order FSDP would take for that of
        # the next backward pass: they would wait for each other without end.
        network.reset_iter_state()


def whole_tensors(values: Any, *, keep: bool = True) -> Any:
    """Return nested data with whole tensors on the CPU in the place of those shared out.

    All processes must call it with the same data.

    Args:
        values: Mappings, lists and tuples, with tensors and plain values inside.
        keep: Whether this process needs the result. If not, it gets None.
    """
    from torch.distributed.tensor import DTensor

    if isinstance(values, Tensor):
        whole = values.full_tensor() if isinstance(values, DTensor) else values
        return whole.detach().cpu() if keep else None
    if isinstance(values, Mapping):
        made = {key: whole_tensors(value, keep=keep) for key, value in values.items()}
        return made if keep else None
    if isinstance(values, list | tuple):
        parts = [whole_tensors(value, keep=keep) for value in values]
        return type(values)(parts) if keep else None
    return values if keep else None


def share_out(whole: Tensor, like: Tensor) -> Tensor:
    """Return this process's part of a whole tensor, shared out as another one is.

    Args:
        whole: The tensor, the same in all processes.
        like: A parameter of the same shape; one that is not shared out returns ``whole``.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return whole
    moved = whole.to(like.device_mesh.device_type)
    return distribute_tensor(moved, like.device_mesh, like.placements)


class ModelShape:
    """A model without its values, to put whole parameters into when they have been shared out.

    Args:
        model: The model, before processes share out its parameters.
    """

    def __init__(self, model: nn.Module) -> None:
        empty = {
            id(value): nn.Parameter(value.detach().to("meta"), requires_grad=value.requires_grad)
            for value in model.parameters()
        }
        # Parameters that two parts of the model share stay shared: each is replaced once.
        self._empty = copy.deepcopy(model, dict(empty))

    def filled(self, network: nn.Module, *, keep: bool = True) -> Any:
        """Return a copy of the model with the parameters that it has now, on the CPU.

        All processes must call it.

        Args:
            network: The network that has the model as its ``model``, with shared-out parameters.
            keep: Whether this process needs the result. If not, it gets None.
        """
        values: dict[str, Tensor | None] = {}
        for name, value in network.named_parameters():
            plain = plain_name(name).removeprefix("model.")
            values[plain] = whole_tensors(value, keep=keep)
        if not keep:
            return None
        made: dict[int, Any] = {}
        for name, value in self._empty.named_parameters():
            found = values[name]
            assert found is not None
            made[id(value)] = nn.Parameter(found.to(value.dtype), value.requires_grad)
        return copy.deepcopy(self._empty, made)


def plain_name(name: str) -> str:
    """Return the name that a parameter has in a network that nothing has wrapped."""
    return name.removeprefix("module.").replace(_WRAPPER, "")
