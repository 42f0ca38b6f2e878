"""What observers are told while a pipeline runs."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.types import Grounding, Trace

__all__ = ["FrameDone", "Grounded", "StageFinished", "StageStarted"]


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
