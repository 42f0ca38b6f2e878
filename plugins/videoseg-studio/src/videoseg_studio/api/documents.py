"""What the service answers, as JSON documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from videoseg.errors import ConfigError
from videoseg.plugins import Option
from videoseg.text import shorten
from videoseg.types import Box, Point, Prompt, Rle
from videoseg_studio.jobs import Job
from videoseg_studio.jobs.types import JobState

__all__ = [
    "ErrorAnswer",
    "GivenObject",
    "JobDocument",
    "SubmittedJob",
    "describe_job",
    "make_prompts",
    "option_documents",
]


_SIZE = Annotated[int, Field(ge=1, le=65_536)]
_NUMBER = Annotated[float, Field(allow_inf_nan=False)]
_POINTS = Annotated[list[tuple[_NUMBER, _NUMBER]], Field(max_length=200)]
_PLACE_TEXT = r"^(\d{1,12}f|(\d{1,4}:){0,2}\d{1,9}(\.\d{1,9})?)$"
_LONGEST_VIDEO = 1e7
"""In seconds; beyond any video."""


def _check_place(place: float | str) -> float | str:
    """Check what ``Video.part`` reads once the video is open."""
    if isinstance(place, str):
        is_one = re.fullmatch(_PLACE_TEXT, place) is not None
    else:
        is_one = 0 <= place <= _LONGEST_VIDEO
    if not is_one:
        raise ValueError(
            "give seconds, such as 12.5 or '1:02.5', or a frame, such as '300f'; got "
            f"{shorten(place)}"
        )
    return place


_Place = Annotated[
    float | str,
    AfterValidator(_check_place),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": _LONGEST_VIDEO},
                {"type": "string", "pattern": _PLACE_TEXT},
            ]
        }
    ),
]


class GivenMask(BaseModel):
    """A mask as COCO RLE, as in result.json."""

    model_config = ConfigDict(extra="forbid")

    size: tuple[_SIZE, _SIZE] = Field(description="Height and width of the video's frame.")
    counts: str = Field(description="The compressed runs.", max_length=250_000)


class GivenObject(BaseModel):
    """Where an object is on one frame, in pixels of the whole video's frame."""

    model_config = ConfigDict(extra="forbid")

    frame: int = Field(0, description="The frame, from 0.", ge=0, lt=2**31)
    name: str = Field(
        "",
        description="What has the same name is one object; without one, it is an object of its "
        "own.",
        max_length=200,
    )
    box: tuple[_NUMBER, _NUMBER, _NUMBER, _NUMBER] | None = Field(
        None, description="Left, top, right and bottom side."
    )
    points: _POINTS = Field(default_factory=list, description="Points on it: [[x, y], ...].")
    negative_points: _POINTS = Field(default_factory=list, description="Points that are not.")
    mask: GivenMask | None = None


class SubmittedJob(BaseModel):
    """A question about a video of the project folder, or objects to follow in it."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field("", description="The question, such as 'the red ball'.", max_length=20_000)
    objects: list[GivenObject] = Field(
        default_factory=list,
        description="Instead of a question: where objects are, such as [{'frame': 0, 'box': [120, "
        "80, 260, 300]}]. In a form, as JSON.",
        max_length=100,
    )
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
    start: _Place | None = Field(
        None, description="Begin here: seconds (12.5, '1:02.5') or a frame ('300f')."
    )
    end: _Place | None = Field(
        None, description="End here, itself not included: seconds or a frame."
    )
    every: int = Field(1, description="Look at every so many frames only.", ge=1, le=1_000_000)
    max_side: int | None = Field(
        None,
        description="Look at frames scaled down to this longer side, in pixels.",
        ge=16,
        le=65_536,
    )


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
    query: str = Field(description="Empty if objects were given.")
    video: str
    pipeline: str
    options: dict[str, dict[str, Any]]
    seed: int
    num_given: int = Field(description="How many objects were given instead of a question.")
    start: float | str | None
    end: float | str | None
    every: int
    max_side: int | None
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
        "num_given": len({prompt.object_id for prompt in request.prompts}),
        **asdict(request.part),
        "created": _utc(job.created),
        "started": _utc(job.started),
        "finished": _utc(job.finished),
        "jobs_before": jobs_before,
        "progress": None if job.progress is None else asdict(job.progress),
        "answer": job.answer,
        "error": None if job.error is None else asdict(job.error),
        "links": links,
    }


def make_prompts(objects: Sequence[GivenObject]) -> tuple[Prompt, ...]:
    """Return the prompts of what a client gave, objects numbered in the order given.

    Raises:
        ConfigError: If one has neither box, points nor mask, a box has no inside, a mask is
            malformed, or an object is given twice on one frame.
    """
    ids: dict[object, int] = {}
    prompts: dict[tuple[int, int], Prompt] = {}
    for number, one in enumerate(objects):
        object_id = ids.setdefault(one.name or number, len(ids) + 1)
        if (object_id, one.frame) in prompts:
            raise ConfigError(
                f"object {shorten(one.name)} is given twice on frame {one.frame}; put its box, "
                "points and mask together"
            )
        prompts[object_id, one.frame] = Prompt(
            object_id,
            one.frame,
            box=None if one.box is None else Box(*one.box),
            points=tuple(Point(x, y) for x, y in one.points),
            negative_points=tuple(Point(x, y) for x, y in one.negative_points),
            mask=None if one.mask is None else Rle(one.mask.size, one.mask.counts),
            label=one.name,
        )
    return tuple(prompts.values())


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
