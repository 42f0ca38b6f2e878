"""What propagators with one network have in common: when it is loaded, and on which device."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Generic, TypeVar

from videoseg.devices import is_out_of_memory, pick_device
from videoseg.errors import PropagationError
from videoseg.types import PropagatorCapabilities
from videoseg_xmem.capabilities import CAPABILITIES

__all__ = ["NetworkPropagator"]

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
