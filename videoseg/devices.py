"""Devices and precision of stages that run on torch, and their errors when memory runs out."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from videoseg.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = [
    "is_out_of_memory",
    "multiplies_bfloat16",
    "pick_device",
    "release_memory",
    "torch_defaults",
]


def pick_device(name: str, *, kinds: Sequence[str] = ("cpu", "cuda")) -> torch.device:
    """Return the device of this name; ``auto`` is a GPU, also Apple's, where there is one.

    Args:
        name: ``auto``, or a device as torch names it, such as ``cuda:1``.
        kinds: The kinds of devices that the stage runs on, of ``cpu``, ``cuda`` and ``mps``.

    Raises:
        ConfigError: If the name is unknown, the stage does not run there, or the device is not
            available.
    """
    import torch

    if name == "auto":
        if "cuda" in kinds and torch.cuda.is_available():
            return torch.device("cuda")
        if "mps" in kinds and torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
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
                f"({torch.__version__}) can use; use device='auto' or device='cpu', or install a "
                "torch built for CUDA and a driver"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {name!r} was asked for, but this machine has no Metal GPU")
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware; emulation is slow."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        has: Any = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return False


def release_memory(error: BaseException | None = None) -> None:
    """Free what nothing refers to any more, also on GPUs, where torch would keep it.

    Args:
        error: An error, such as one after which memory was full: the variables of the functions
            that it has left are freed, too. Its traceback would keep them.
    """
    if error is not None:
        traceback.clear_frames(error.__traceback__)
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a GPU's or the machine's memory is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The allocators of CPU and Metal and CUDA's own calls have no error class for it.
    message = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator" in message or "out of memory" in message or "ALLOC_FAILED" in message
    )


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Compute with torch's defaults, whatever the calling program has set.

    Inside, autocast, gradients and inference mode are off, and new tensors are float32 and on the
    CPU by default. Afterwards every setting is restored. For loading a model and for each of its
    steps; leave the block before a generator yields.

    torch has one default type for all threads, so if the program has set another one, its other
    threads see float32, too, while a step runs.
    """
    import torch

    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        # Every function of torch takes longer with a default device set, even the usual one.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_float32_default)
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.no_grad())
        yield


class _Float32Default:
    """Makes float32 torch's default type while any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._before: torch.dtype | None = None

    def __enter__(self) -> None:
        import torch

        with self._lock:
            self._num_inside += 1
            if torch.get_default_dtype() != torch.float32:
                self._before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)

    def __exit__(self, *_: object) -> None:
        import torch

        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0 and self._before is not None:
                torch.set_default_dtype(self._before)
                self._before = None


_float32_default = _Float32Default()
