"""Connecting to Ray without leaving changes in this process."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from videoseg.errors import ConfigError, MissingDependencyError

__all__ = ["quiet_data_log", "ray_session"]

# For the processes that Ray starts: no usage statistics are sent.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
_CONNECT_SECONDS = 10.0


@contextmanager
def ray_session(address: str | None = None) -> Iterator[Any]:
    """Connect to Ray for the duration of a ``with`` block.

    An existing connection is used and left open. Otherwise this connects to the cluster at
    ``address`` (or ``RAY_ADDRESS``), or starts a cluster of this machine for the block.

    Args:
        address: The address of the cluster, such as ``auto`` (the one this machine is part of)
            or ``host:6379``; ``local`` for a cluster of this machine.

    Yields:
        The module ``ray``.

    Raises:
        MissingDependencyError: If Ray Data is not installed.
        ConfigError: If no cluster answers at the address.
    """
    if (connected := _existing_connection()) is not None:
        yield connected
        return
    before = dict(os.environ)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    changed = dict.fromkeys(_ENVIRONMENT)
    try:
        ray = _initialize(address)
        # Only what Ray has set is restored, not what others change during the run.
        changed = {name: None for name in os.environ if os.environ[name] != before.get(name)}
        try:
            yield ray
        finally:
            ray.shutdown()
    finally:
        _restore(changed, before)


@contextmanager
def quiet_data_log() -> Iterator[None]:
    """Keep Ray Data's log off the terminal; its log files stay complete."""
    handlers = [
        handler
        for handler in logging.getLogger("ray.data").handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def _existing_connection() -> Any | None:
    ray = sys.modules.get("ray")
    return _import_ray() if ray is not None and ray.is_initialized() else None


def _import_ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError(
            f"Ray Data cannot be imported ({error}); install it with: "
            "pip install 'ray[data]>=2.60'"
        ) from error
    return ray


def _initialize(address: str | None) -> Any:
    ray = _import_ray()
    try:
        _check_reachable(address or os.environ.get("RAY_ADDRESS", ""))
        ray.init(**_arguments(address))
    except (OSError, ValueError, OverflowError, RuntimeError) as error:
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"cannot connect to Ray at {where}: {reason}; start a cluster with `ray start "
            "--head`, or leave the address out to use this machine"
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise an OSError if no server answers at ``host:port``; Ray itself tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()


def _arguments(address: str | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None and not os.environ.get("RAY_ADDRESS"):
        # Not a cluster that happens to run here, which may be someone else's.
        address = "local"
    if address == "local":
        arguments["include_dashboard"] = False
    return {**arguments, "address": address}


def _restore(names: Iterable[str], before: Mapping[str, str]) -> None:
    for name in names:
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)
