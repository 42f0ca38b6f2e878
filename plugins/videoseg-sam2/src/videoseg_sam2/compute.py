"""In which precision the network runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from videoseg.devices import multiplies_bfloat16, torch_defaults

if TYPE_CHECKING:
    import torch

__all__ = ["PRECISIONS", "Precision", "computing", "use_bfloat16"]

Precision: TypeAlias = Literal["float32", "bfloat16", "auto"]
PRECISIONS = ("float32", "bfloat16", "auto")


def use_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; ``auto`` does where the processor is fast at it."""
    return multiplies_bfloat16(device) if precision == "auto" else precision == "bfloat16"


@contextmanager
def computing(device: torch.device, *, bfloat16: bool) -> Iterator[None]:
    """Run the network in its own precision, whatever the program around has set."""
    import torch

    with torch_defaults(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        yield
