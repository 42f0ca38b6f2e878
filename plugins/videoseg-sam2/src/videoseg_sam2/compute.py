"""In which precision the network runs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from videoseg.devices import multiplies_bfloat16

if TYPE_CHECKING:
    import torch

__all__ = ["PRECISIONS", "Precision", "autocast", "use_bfloat16"]

Precision: TypeAlias = Literal["float32", "bfloat16", "auto"]
PRECISIONS = ("float32", "bfloat16", "auto")


def use_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; ``auto`` does where the processor is fast at it."""
    return multiplies_bfloat16(device) if precision == "auto" else precision == "bfloat16"


def autocast(device: torch.device, *, bfloat16: bool) -> AbstractContextManager[Any]:
    """Return the context in which the network runs."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)
