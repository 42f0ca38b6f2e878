"""The options ``engine`` and ``precision``: which go together, and what ``auto`` stands for."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Literal, TypeAlias

from videoseg.devices import multiplies_bfloat16
from videoseg.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    import torch

__all__ = [
    "Engine",
    "Precision",
    "TorchPrecision",
    "check_engine",
    "compute_type",
    "uses_bfloat16",
]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8", "auto"]
"""As which numbers a network computes; weights are kept apart from that."""

TorchPrecision: TypeAlias = Literal["float32", "bfloat16", "auto"]
"""The same of networks that only torch runs."""

Engine: TypeAlias = Literal["eager", "compile", "openvino"]
"""What runs a network: torch as it is, ``torch.compile``, or OpenVINO (its encoder of images)."""


def check_engine(
    engine: Engine, precision: Precision, device: str, *, extra: str | None = None
) -> None:
    """Raise if an engine cannot do what is asked of it.

    Args:
        engine: The engine.
        precision: As which numbers it is to compute.
        device: Where it is to run, or ``auto``, which OpenVINO takes for the CPU.
        extra: What installs the stage with OpenVINO, such as ``videoseg-xmem[openvino]``.

    Raises:
        ConfigError: If they do not go together.
        MissingDependencyError: If OpenVINO is asked for and not installed.
    """
    if precision == "int8" and engine != "openvino":
        raise ConfigError(
            f"precision 'int8' needs engine='openvino', got engine={engine!r}; torch has no fast "
            "8-bit convolutions"
        )
    if engine != "openvino":
        return
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"engine 'openvino' runs on the CPU, but the device is {device!r}; use "
            "device='cpu', or engine='compile' there"
        )
    if precision == "bfloat16":
        raise ConfigError(
            "engine 'openvino' takes precision 'float32', 'int8' or 'auto', got 'bfloat16'"
        )
    if importlib.util.find_spec("openvino") is None:
        also = "" if extra is None else f" (or pip install '{extra}')"
        raise MissingDependencyError(
            "engine 'openvino' needs the package openvino, which is not installed: "
            f"pip install openvino{also}; or use engine='eager'"
        )


def uses_bfloat16(precision: Precision, device: torch.device, *, engine: Engine = "eager") -> bool:
    """Return whether torch is to compute in bfloat16; ``auto`` is the faster on the device."""
    if engine == "openvino":
        return False
    return multiplies_bfloat16(device) if precision == "auto" else precision == "bfloat16"


def compute_type(
    precision: Precision, device: torch.device, *, engine: Engine = "eager"
) -> torch.dtype:
    """Return the type in which torch is to compute; ``auto`` is the faster one on the device."""
    import torch

    is_rounded = uses_bfloat16(precision, device, engine=engine)
    return torch.bfloat16 if is_rounded else torch.float32
