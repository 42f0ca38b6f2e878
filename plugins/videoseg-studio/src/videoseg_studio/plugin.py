"""The entry point: declares the commands. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Command, hookimpl

__all__ = ["videoseg_commands"]


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Declare ``videoseg studio`` and ``videoseg serve``."""
    yield Command(
        "studio", "videoseg_studio.commands.studio:studio", "Ask, look and correct in a browser."
    )
    yield Command(
        "serve", "videoseg_studio.commands.serve:serve", "Answer over HTTP, with a queue of jobs."
    )
