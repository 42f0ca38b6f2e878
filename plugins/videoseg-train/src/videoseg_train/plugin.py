"""The entry point: declares the commands. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Command, hookimpl

__all__ = ["videoseg_commands"]


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Declare ``videoseg train``."""
    yield Command("train", "videoseg_train.cli:train", "Train a policy: SFT and GRPO.")
