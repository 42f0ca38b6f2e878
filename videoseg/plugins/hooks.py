"""The hooks of plug-ins, and the events that observers get."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

from videoseg.plugins.command import Command
from videoseg.plugins.component import Component
from videoseg.types import Grounding, Trace

__all__ = [
    "FrameDone",
    "Grounded",
    "HookSpecs",
    "StageFinished",
    "StageStarted",
    "hookimpl",
    "hookspec",
]

# -- events ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins.

    Args:
        stage: ``sampler``, ``grounder``, ``segmenter`` or ``propagator``.
        component: The name of the component that fills it.
        turn: The turn of the episode, from 0; None outside the episode loop.
        total: How many frames it will produce, if that is known.
    """

    stage: str
    component: str
    turn: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ended.

    Args:
        stage: As in ``StageStarted``.
        component: As in ``StageStarted``.
        turn: As in ``StageStarted``.
        seconds: How long it took.
        error: What went wrong, in one line; None if nothing did.
    """

    stage: str
    component: str
    turn: int | None = None
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Grounded:
    """The grounder has answered; segmenter and propagator come next.

    Args:
        query: What was asked.
        grounding: The answer.
        trace: What each turn saw and said.
    """

    query: str
    grounding: Grounding
    trace: Trace


@dataclass(frozen=True, slots=True)
class FrameDone:
    """The propagator has finished one frame.

    Args:
        frame: Frame index of the source video.
        done: Frames finished so far, both directions together.
        total: Frames to finish in all; None for a live source.
    """

    frame: int
    done: int
    total: int | None = None


# -- hooks -----------------------------------------------------------------------------------

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
