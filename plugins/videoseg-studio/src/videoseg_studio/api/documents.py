"""What the service answers, as JSON documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from videoseg.plugins import Option
from videoseg_studio.jobs import Job
from videoseg_studio.jobs.types import JobState

__all__ = [
    "ErrorAnswer",
    "JobDocument",
    "SubmittedJob",
    "describe_job",
    "option_documents",
]


class SubmittedJob(BaseModel):
    """A question about a video of the project folder."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(description="The question, such as 'the red ball'.", max_length=20_000)
    video: str = Field(
        description="The path of a video, a picture or a folder of pictures in the project "
        "folder, such as 'clips/dog.mp4'. With curl -F: the file, as video=@dog.mp4.",
        max_length=4_096,
    )
    pipeline: str = Field("", description="One of GET /pipelines; empty for the default one.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of stages, such as {'sampler': {'num_frames': 16}}; GET /pipelines "
        "lists those on offer.",
    )
    seed: int = Field(0, description="The seed of everything random.", ge=0, lt=2**32)


class ProgressDocument(BaseModel):
    """How far a running job is."""

    stage: str = Field(
        description="sampler, grounder, segmenter, propagator or saving: the stage that runs."
    )
    component: str = Field(description="The component that fills it.")
    turn: int | None = Field(description="The turn of the episode, from 0.")
    done: int | None = Field(description="Frames done.")
    total: int | None = Field(description="Frames in all.")


class ErrorDocument(BaseModel):
    """Why a job failed."""

    type: str = Field(description="The kind of error, such as VideoError.")
    message: str = Field(description="What happened and what to do.")


class JobDocument(BaseModel):
    """A job: what was asked, how far it is, what was found."""

    id: str
    state: JobState = Field(
        description="interrupted: the server ended while the job ran; submit it again."
    )
    query: str
    video: str
    pipeline: str
    options: dict[str, dict[str, Any]]
    seed: int
    created: str = Field(description="When it was submitted, in UTC.")
    started: str | None
    finished: str | None
    jobs_before: int | None = Field(description="How many jobs wait before this one.")
    progress: ProgressDocument | None
    answer: dict[str, Any] | None = Field(
        description="What was found, in short: status, reasoning, objects, warnings. Without "
        "objects as long as masks are computed."
    )
    error: ErrorDocument | None
    links: dict[str, str] = Field(description="What can be fetched now.")


class ErrorAnswer(BaseModel):
    """The body of every response whose status is 400 or more."""

    class Content(BaseModel):
        """What went wrong."""

        type: str
        message: str
        problems: list[str] = []

    error: Content


def describe_job(job: Job, *, default_pipeline: str, jobs_before: int | None) -> dict[str, Any]:
    """Return the document of a job.

    Args:
        job: The job.
        default_pipeline: The pipeline of jobs that name none.
        jobs_before: How many wait before it; None if it does not wait.
    """
    request = job.request
    base = f"/api/v1/jobs/{job.id}"
    links = {"self": base, "events": f"{base}/events"}
    if job.state == "done":
        links |= {
            "result": f"{base}/result.json",
            "report": f"{base}/report.html",
            "overlay": f"{base}/overlay.mp4",
            "masks": f"{base}/masks/{{frame}}",
            "mask": f"{base}/masks/{{frame}}/{{object}}.png",
            "export": f"{base}/exports/{{format}}",
        }
    return {
        "id": job.id,
        "state": job.state,
        "query": request.query,
        "video": request.video,
        "pipeline": request.pipeline or default_pipeline,
        "options": request.options,
        "seed": request.seed,
        "created": _utc(job.created),
        "started": _utc(job.started),
        "finished": _utc(job.finished),
        "jobs_before": jobs_before,
        "progress": None if job.progress is None else asdict(job.progress),
        "answer": job.answer,
        "error": None if job.error is None else asdict(job.error),
        "links": links,
    }


def option_documents(options: Mapping[str, Mapping[str, Option]]) -> dict[str, dict[str, Any]]:
    """Return options by stage and name: type, default and meaning."""
    return {
        stage: {
            name: {
                "type": option.type,
                "default": option.default,
                "meaning": option.meaning.replace("``", ""),
            }
            for name, option in named.items()
        }
        for stage, named in options.items()
        if named
    }


def _utc(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
