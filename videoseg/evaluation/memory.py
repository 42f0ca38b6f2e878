"""The most memory a piece of work took."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

__all__ = ["MemoryWatch"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class MemoryWatch:
    """Measures the peak from its making on.

    On Linux the kernel's high-water mark of this process is set back, so that the peak is that
    of the work alone; elsewhere it is the peak of the process so far.
    """

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")
            self._own_mark = True
        except OSError:
            self._own_mark = False
        if (torch := _torch_with_devices()) is not None:
            for index in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(index)

    def peak_bytes(self) -> int | None:
        """Return the most bytes of main memory held; None if the system does not tell."""
        if self._own_mark and (peak := _high_water_mark()) is not None:
            return peak
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def peak_device_bytes(self) -> int | None:
        """Return the most bytes held on GPUs, summed over them; None if none is in use."""
        torch = _torch_with_devices()
        if torch is None:
            return None
        return sum(
            int(torch.cuda.max_memory_allocated(index))
            for index in range(torch.cuda.device_count())
        )


def _high_water_mark() -> int | None:
    try:
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _torch_with_devices() -> Any:
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    # Asking an uninitialised CUDA would start it, which costs a GPU memory.
    return torch if cuda is not None and cuda.is_initialized() else None
