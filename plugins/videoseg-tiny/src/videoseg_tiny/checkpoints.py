"""The state of training, kept so that an interruption loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["Progress", "load_progress", "save_progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What training changes.

    Args:
        path: The file that keeps it.
        modules: The modules.
        optimizer: The optimizer.
        schedule: The schedule of its learning rate.
    """

    path: Path
    modules: Sequence[Any]
    optimizer: Any
    schedule: Any


def save_progress(progress: Progress, step: int) -> None:
    """Write the state after a number of steps; an earlier file is replaced at once."""
    progress.path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "step": step,
        "modules": [module.state_dict() for module in progress.modules],
        "optimizer": progress.optimizer.state_dict(),
        "schedule": progress.schedule.state_dict(),
    }
    temporary = progress.path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(progress.path)


def load_progress(progress: Progress) -> int:
    """Read the state, if there is any, and return the number of steps done."""
    if not progress.path.is_file():
        return 0
    state = torch.load(progress.path, weights_only=True)
    for module, values in zip(progress.modules, state["modules"], strict=True):
        module.load_state_dict(values)
    progress.optimizer.load_state_dict(state["optimizer"])
    progress.schedule.load_state_dict(state["schedule"])
    return int(state["step"])
