"""What a run records about the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["describe_machine"]


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, GPUs and system, as text to print. Asks no library.

    Example:
        >>> sorted(describe_machine())[:2]
        ['cores', 'gpus']
    """
    return {
        "processor": _processor(),
        "cores": str(_cores()),
        "memory": _memory(),
        "gpus": ", ".join(_gpus()) or "none seen",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return f"{int(line.split()[1]) / 2**20:.0f} GiB"
    return "unknown"


def _gpus() -> list[str]:
    """Return the models of NVIDIA GPUs, which their driver lists without starting CUDA."""
    found = []
    for place in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in _lines(str(place)):
            if line.startswith("Model:"):
                found.append(line.partition(":")[2].strip())
    return found


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
