"""Registers what videoseg-synthetic brings."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Component, hookimpl

__all__ = ["videoseg_components"]


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield nothing yet."""
    return ()
