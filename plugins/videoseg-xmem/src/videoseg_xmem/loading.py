"""What propagators with one network have in common: when it is loaded, and on which device."""

from __future__ import annotations

import importlib.util
import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from videoseg.devices import is_out_of_memory, multiplies_bfloat16, pick_device
from videoseg.errors import ConfigError, MissingDependencyError, PropagationError
from videoseg.types import PropagatorCapabilities
from videoseg_xmem.options import Engine, Precision

if TYPE_CHECKING:
    import torch

__all__ = ["CAPABILITIES", "NetworkPropagator", "check_engine", "compute_type"]

CAPABILITIES = PropagatorCapabilities(
    masks=True, late_objects=True, backward=True, corrections=True, live=True
)
"""What propagators with a ``TrackerSession`` can do."""

Network = TypeVar("Network")


class NetworkPropagator(ABC, Generic[Network]):
    """Loads its network when it is first needed, once for all threads.

    A copy in another process loads it again.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ..., or ``auto`` for a GPU if there is one.
        max_objects_per_pass: Number of objects that compete in one pass; None for all.

    Raises:
        ConfigError: If the device is not there.
    """

    def __init__(self, *, device: str, max_objects_per_pass: int | None) -> None:
        self._device = device
        self._max_objects = max_objects_per_pass
        if device != "auto":
            pick_device(device)
        self._network: Network | None = None
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return replace(CAPABILITIES, max_objects_per_pass=self._max_objects)

    @abstractmethod
    def _load(self) -> Network:
        """Return the network, ready for use."""

    def _loaded(self) -> Network:
        """Return the network; the first call loads it.

        Raises:
            ConfigError: If the checkpoint is damaged or another model's.
            PropagationError: If there is no room for the network on the device.
        """
        with self._lock:
            try:
                if self._network is None:
                    self._network = self._load()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise PropagationError(
                    f"device {self._device!r} has no room for the network; end other programs "
                    "that use its memory, or use device='cpu'"
                ) from error
            return self._network

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads the network for itself.
        return {**self.__dict__, "_network": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def check_engine(engine: Engine, precision: Precision, device: str) -> None:
    """Raise if an engine cannot do what is asked of it.

    Args:
        engine: The engine.
        precision: As which numbers it is to compute.
        device: Where it is to run, or ``auto``, which OpenVINO takes for the CPU.

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
        raise MissingDependencyError(
            "engine 'openvino' needs the package openvino, which is not installed: "
            "pip install openvino; or use engine='eager'"
        )


def compute_type(
    precision: Precision, device: torch.device, *, engine: Engine = "eager"
) -> torch.dtype:
    """Return the type in which torch is to compute; ``auto`` is the faster one on the device."""
    import torch

    if engine == "openvino":
        return torch.float32
    if precision == "auto":
        precision = "bfloat16" if multiplies_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
