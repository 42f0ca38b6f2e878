"""Where stages that run on torch compute, in which type, and what a lack of memory looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from videoseg.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = ["is_out_of_memory", "multiplies_bfloat16", "pick_device"]


def pick_device(name: str, *, kinds: Sequence[str] = ("cpu", "cuda")) -> torch.device:
    """Return the device of this name; ``auto`` is a GPU where there is one.

    Args:
        name: ``auto``, or a device as torch names it, such as ``cuda:1``.
        kinds: The kinds of devices that the stage runs on, of ``cpu``, ``cuda`` and ``mps``.

    Raises:
        ConfigError: If the name is unknown, the stage does not run there, or there is none.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    known = [kind if kind != "cuda" else "cuda, cuda:<number>" for kind in kinds]
    allowed = f"device must be auto, {', '.join(known)}, got {name!r}"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(allowed) from error
    if device.type not in kinds:
        raise ConfigError(allowed)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            have = f"there are {count} CUDA devices" if count else "there is no CUDA device"
            raise ConfigError(
                f"device {name!r} was asked for, but {have} that this torch "
                f"({torch.__version__}) can use; use device='auto' or 'cpu', or install a "
                "torch built for CUDA and a driver"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {name!r} was asked for, but this machine has no Metal GPU")
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 itself; emulation is slower than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        has: Any = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return False


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
