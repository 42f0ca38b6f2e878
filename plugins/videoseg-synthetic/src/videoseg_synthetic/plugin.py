"""Registers what videoseg-synthetic brings."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Command, Component, hookimpl

__all__ = ["videoseg_commands", "videoseg_components"]


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield nothing yet."""
    return ()


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Declare ``videoseg demo``."""
    yield Command("demo", "videoseg_synthetic.demo_command:demo", "Try it on a synthetic clip.")
