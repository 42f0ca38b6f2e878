"""The hooks a plug-in may implement."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from videoseg.plugins.command import Command
from videoseg.plugins.component import Component
from videoseg.plugins.events import FrameDone, Grounded, StageFinished, StageStarted

__all__ = ["HookSpecs", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("videoseg")
hookimpl = pluggy.HookimplMarker("videoseg")
"""Marks a function as an implementation of a videoseg hook."""


class HookSpecs:
    """Every hook, with its exact signature. An implementation may omit arguments."""

    @hookspec
    def videoseg_components(self) -> Iterable[Component]:  # type: ignore[empty-body]
        """Yield the components this plug-in offers. Must not import them."""

    @hookspec
    def videoseg_commands(self) -> Iterable[Command]:  # type: ignore[empty-body]
        """Yield the subcommands this plug-in adds to ``videoseg``. Must not import them."""

    @hookspec
    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Receive the start of a stage."""

    @hookspec
    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Receive the end of a stage, whether it succeeded or failed."""

    @hookspec
    def videoseg_grounded(self, event: Grounded) -> None:
        """Receive the grounding, before its masks are propagated."""

    @hookspec
    def videoseg_frame_done(self, event: FrameDone) -> None:
        """Receive the masks of one frame, as soon as they are computed."""
