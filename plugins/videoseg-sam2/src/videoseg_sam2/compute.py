"""Where the network runs, in which precision, and what happens when memory runs out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from videoseg.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = [
    "PRECISIONS",
    "Precision",
    "autocast",
    "is_out_of_memory",
    "pick_device",
    "use_bfloat16",
]

Precision: TypeAlias = Literal["float32", "bfloat16", "auto"]
PRECISIONS = ("float32", "bfloat16", "auto")


def pick_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: If the name is unknown or there is no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(
            f"device must be auto, cpu, cuda, cuda:<number> or mps, got {name!r}"
        ) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            have = f"there are {count} CUDA devices" if count else "there is no CUDA device"
            raise ConfigError(
                f"device {name!r} was asked for, but {have} that this torch "
                f"({torch.__version__}) can use; use device='auto' or 'cpu', or install a "
                "torch built for CUDA"
            )
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise ConfigError(f"device {name!r} was asked for, but this machine has no Metal GPU")
    elif device.type != "cpu":
        raise ConfigError(f"device must be auto, cpu, cuda, cuda:<number> or mps, got {name!r}")
    return device


def use_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; ``auto`` does where the processor is fast at it."""
    if precision != "auto":
        return precision == "bfloat16"
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # Other processors emulate it, which is slower than float32.
        has: Any = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return False


def autocast(device: torch.device, *, bfloat16: bool) -> AbstractContextManager[Any]:
    """Return the context in which the network runs."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a GPU's or the machine's memory is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's and Metal's allocators and CUDA's own calls have no error class for it.
    said = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator" in said or "out of memory" in said or "ALLOC_FAILED" in said
    )
