"""The memory policies by name."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable
from typing import Any

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg_sam2.policies.dam import DistractorAware
from videoseg_sam2.policies.sam2long import Sam2Long
from videoseg_sam2.policies.sam3 import Sam3Selection
from videoseg_sam2.policies.samurai import Samurai
from videoseg_sam2.policy import BranchingPolicy, MemoryBounds, MemoryPolicy

__all__ = ["FIFO", "POLICY_NAMES", "find_policy"]

FIFO = "fifo"
"""The memory as SAM 2 was published; the session keeps it itself, across runs."""

POLICY_NAMES = (FIFO, "samurai", "dam", "sam3", "sam2long")
"""Every name that the option ``memory`` takes."""

# The authors' weight of motion for the large network; the smaller ones have the default.
_LARGE_MOTION_WEIGHT = 0.15


def find_policy(
    memory: str | Callable[[], MemoryPolicy], network: str
) -> Callable[[], MemoryPolicy] | None:
    """Return what makes a policy for one object and run; None for ``fifo``.

    Args:
        memory: A name, the path of a class or function as ``module:name``, or what makes one.
        network: Name of the network, by which SAMURAI's weight is chosen.

    Raises:
        ConfigError: If there is no such policy, or what it makes is none.
    """
    factory: Callable[[], MemoryPolicy]
    if memory == FIFO:
        return None
    if memory == "samurai":
        is_large = network.endswith("large")
        return functools.partial(Samurai, _LARGE_MOTION_WEIGHT) if is_large else Samurai
    if memory == "dam":
        return DistractorAware
    if memory == "sam3":
        return Sam3Selection
    if memory == "sam2long":
        return Sam2Long
    factory = _import_policy(memory) if isinstance(memory, str) else memory
    _check_policy(factory, memory)
    return factory


def _import_policy(path: str) -> Any:
    if ":" not in path:
        raise ConfigError(
            f"memory must be one of {', '.join(POLICY_NAMES)}, the path of a policy as "
            f"'module:name', or a class; got {shorten(path)}"
        )
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:
        raise ConfigError(
            f"the memory policy {shorten(path)} cannot be imported: {error}"
        ) from error


def _check_policy(factory: object, memory: object) -> None:
    """Make one policy, so that a mistake shows before a video is opened."""
    name = shorten(getattr(factory, "__name__", memory))
    if not callable(factory):
        raise ConfigError(f"memory must be a name, a class or a function; got {name}")
    try:
        policy = factory()
    except Exception as error:
        raise ConfigError(
            f"the memory policy {name} cannot be made without arguments: {error}; bind them with "
            "functools.partial"
        ) from error
    needed = ("bounds", "prompted", "choose", "keep", "recall", "held")
    missing = [member for member in needed if not hasattr(policy, member)]
    if missing:
        raise ConfigError(
            f"the memory policy {name} has no {', '.join(missing)}; derive it from "
            "videoseg_sam2.MemoryPolicy"
        )
    if not isinstance(policy.bounds, MemoryBounds):
        raise ConfigError(
            f"bounds of the memory policy {name} must be a videoseg_sam2.MemoryBounds, got "
            f"{shorten(policy.bounds)}"
        )
    _check_branches(policy, policy.bounds, name)


def _check_branches(policy: object, bounds: MemoryBounds, name: str) -> None:
    if bounds.branches == 1:
        if bounds.delay != 0:
            raise ConfigError(
                f"the memory policy {name} declares a delay of {bounds.delay}, but one branch has "
                "nothing to wait for; bounds.delay must be 0"
            )
        return
    if bounds.branches < 1 or (bounds.delay is not None and bounds.delay < 1):
        raise ConfigError(
            f"the memory policy {name} declares {bounds.branches} branches and a delay of "
            f"{bounds.delay}; allowed are at least 1 branch and, with several, a delay of at "
            "least 1 frame, or None for as long as it takes"
        )
    needed = ("choose_branches", "fork")
    missing = [
        one
        for one in needed
        if not hasattr(policy, one)
        # There only to say that it is a subclass's to write.
        or getattr(type(policy), one, None) is BranchingPolicy.choose_branches
    ]
    if missing:
        raise ConfigError(
            f"the memory policy {name} declares {bounds.branches} branches, but has no "
            f"{', '.join(missing)}; derive it from videoseg_sam2.BranchingPolicy"
        )
