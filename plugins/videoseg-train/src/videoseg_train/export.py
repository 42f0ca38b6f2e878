"""Saving the trained model as a checkpoint that pipelines, and the next stage, load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from videoseg_o3 import SegModel, save_seg_model

from videoseg.files import staged_folder
from videoseg_train.policy import Policy

__all__ = ["save_model", "save_policy"]


def save_policy(policy: Policy, folder: Path) -> Path:
    """Save a policy's model and processor; see ``save_model``."""
    return save_model(policy.model, policy.processor, folder)


def save_model(model: Any, processor: Any, folder: Path) -> Path:
    """Save a model and its processor; adapters become part of the weights.

    Args:
        model: A ``SegModel`` or a Qwen-VL model; as before when this returns.
        processor: Its processor.
        folder: Where to; what was saved there before is replaced.

    Raises:
        OutputError: If it cannot be written.
    """
    with (
        staged_folder(
            folder, overwrite=True, what="the trained model", replaceable=_why_not_replaceable
        ) as stage,
        _merged(model),
        _system_errors(),
    ):
        if isinstance(model, SegModel):
            save_seg_model(model, stage)
        else:
            model.save_pretrained(stage)
            processor.save_pretrained(stage)
    return folder


def _why_not_replaceable(folder: Path) -> str | None:
    return None if (folder / "config.json").is_file() else "it holds something else than a model"


@contextmanager
def _system_errors() -> Iterator[None]:
    """Raise errors of the system, such as of a full disk, which safetensors gives in words alone.

    Raises:
        OSError: If that is what a ``SafetensorError`` says.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), str(error)) from error


@contextmanager
def _merged(module: nn.Module) -> Iterator[None]:
    """Put plain layers with merged weights in the place of layers with adapters."""
    found: list[tuple[nn.Module, str, Any, torch.Tensor]] = []
    try:
        for parent in list(module.modules()):
            children: list[tuple[str, Any]] = list(parent.named_children())
            for name, layer in children:
                if not hasattr(layer, "base_layer") or not hasattr(layer, "get_delta_weight"):
                    continue
                weight = layer.base_layer.weight
                found.append((parent, name, layer, weight.detach().clone()))
                with torch.no_grad():
                    for adapter in layer.active_adapters:
                        weight += layer.get_delta_weight(adapter).to(weight.dtype)
                setattr(parent, name, layer.base_layer)
        yield
    finally:
        for parent, name, layer, before in found:
            setattr(parent, name, layer)
            with torch.no_grad():
                layer.base_layer.weight.copy_(before)
