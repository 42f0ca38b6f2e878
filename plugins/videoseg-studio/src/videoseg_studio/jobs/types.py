"""A job: what was asked, and how far the answer is."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["FINISHED", "Job", "JobError", "JobRequest", "JobState", "Progress", "new_id"]

JobState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

FINISHED: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "interrupted"})
"""The states that a job does not leave."""


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_hex(10)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asked for.

    Args:
        query: The question.
        video: The path of the video in the project folder, or the name of the uploaded file.
        uploaded: Whether the video was uploaded with the job.
        pipeline: The name of the pipeline.
        options: Options of its stages, by stage and name.
        seed: The seed of the run.
    """

    query: str
    video: str
    uploaded: bool = False
    pipeline: str = ""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is.

    Args:
        stage: The stage that runs: ``sampler``, ``grounder``, ``segmenter``, ``propagator``, or
            ``saving``.
        component: The component that fills it.
        turn: The turn of the episode, from 0; None outside of it.
        done: Frames done; None before there are any.
        total: Frames in all, if known.
    """

    stage: str
    component: str = ""
    turn: int | None = None
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed.

    Args:
        type: The kind of error, such as ``VideoError``.
        message: What happened and what to do.
    """

    type: str
    message: str


@dataclass(slots=True)
class Job:
    """One job; the queue changes it, everybody else reads copies.

    Args:
        id: Its id, from ``new_id``.
        request: What was asked.
        state: ``interrupted`` means that the server ended while the job ran.
        created: When it was submitted, in seconds since 1970.
        started: When it began to run.
        finished: When it ended.
        progress: How far it is, while it runs.
        answer: What was found, in short: ``status``, ``objects``, ``reasoning``, ``warnings``.
            There from the moment that the grounder has answered.
        error: Why it failed.
    """

    id: str
    request: JobRequest
    state: JobState = "queued"
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    progress: Progress | None = None
    answer: dict[str, Any] | None = None
    error: JobError | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in FINISHED
