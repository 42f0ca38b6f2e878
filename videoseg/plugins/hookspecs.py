"""The hooks a plug-in may implement."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from videoseg.plugins.component import Component
from videoseg.plugins.events import FrameDone, Grounded, StageFinished, StageStarted

__all__ = ["HookSpecs", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("videoseg")
hookimpl = pluggy.HookimplMarker("videoseg")
"""Marks a function as an implementation of a videoseg hook."""


class HookSpecs:
    """Every hook, with its exact signature. An implementation may leave arguments out."""

    @hookspec
    def videoseg_components(self) -> Iterable[Component]:  # type: ignore[empty-body]
        """Yield the components this plug-in offers. Must not import anything heavy."""

    @hookspec
    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Be told that a stage begins."""

    @hookspec
    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Be told that a stage ended, well or badly."""

    @hookspec
    def videoseg_grounded(self, event: Grounded) -> None:
        """Be told the answer, before its masks are carried through the video."""

    @hookspec
    def videoseg_frame_done(self, event: FrameDone) -> None:
        """Be told that the masks of one frame are ready."""
