"""The hooks of the plug-in.

This module is imported whenever the components are listed, so it imports nothing heavy:
components are declared by the path of their class, which is imported when one is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import videoseg as vs
from videoseg.plugins import FrameDone, Grounded, StageFinished, StageStarted

if TYPE_CHECKING:
    from videoseg_example.event_log import Event

LOG_VARIABLE = "VIDEOSEG_EVENT_LOG"


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the sampler."""
    yield vs.Component(
        "sampler",
        "sharpest",
        "videoseg_example.sharpest:SharpestSampler",
        summary="The sharpest frame of each part of the window.",
    )


@vs.hookimpl
def videoseg_stage_started(event: StageStarted) -> None:
    """Write the event, if a log was asked for."""
    _write(event)


@vs.hookimpl
def videoseg_stage_finished(event: StageFinished) -> None:
    """Write the event, if a log was asked for."""
    _write(event)


@vs.hookimpl
def videoseg_grounded(event: Grounded) -> None:
    """Write the event, if a log was asked for."""
    _write(event)


@vs.hookimpl
def videoseg_frame_done(event: FrameDone) -> None:
    """Write the event, if a log was asked for."""
    _write(event)


def _write(event: Event) -> None:
    path = os.environ.get(LOG_VARIABLE)
    if path:
        from videoseg_example.event_log import EventLog

        EventLog(path).write(event)
