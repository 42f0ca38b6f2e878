"""A job: what was asked, and how far the answer is."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from videoseg.types import Prompt
from videoseg.video import Place

if TYPE_CHECKING:
    from videoseg.video import Video

__all__ = ["FINISHED", "Job", "JobError", "JobRequest", "JobState", "Part", "Progress", "new_id"]

JobState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

FINISHED: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "interrupted"})
"""The states that a job does not leave."""


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_hex(10)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a video is looked at; the arguments of ``Video.part``.

    Args:
        start: Where it begins: seconds or a frame; None for the first frame.
        end: Where it ends, itself not included; None for the end of the video.
        every: Only every so many frames.
        max_side: The longer side, in pixels, to which frames are scaled down; None for none.
    """

    start: Place | None = None
    end: Place | None = None
    every: int = 1
    max_side: int | None = None

    def of(self, video: Video) -> Video:
        """Return this part of a video; the video itself if that is all of it.

        Raises:
            ConfigError: If start or end is neither seconds nor a frame.
            VideoError: If no frame lies there.
        """
        if self == Part():
            return video
        return video.part(self.start, self.end, every=self.every, max_side=self.max_side)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asked for.

    Args:
        query: The question; empty if objects were given.
        video: The path of the video in the project folder, or the name of the uploaded file.
        uploaded: Whether the video was uploaded with the job.
        pipeline: The name of the pipeline.
        options: Options of its stages, by stage and name.
        seed: The seed of the run.
        part: Which part of the video is looked at.
        prompts: Objects that were given instead of a question.
    """

    query: str
    video: str
    uploaded: bool = False
    pipeline: str = ""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0
    part: Part = field(default_factory=Part)
    prompts: tuple[Prompt, ...] = ()


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
