"""Routes of jobs: submit, follow, cancel, delete."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from videoseg.errors import ConfigError
from videoseg.text import parse_json
from videoseg_studio.api.documents import (
    ErrorAnswer,
    JobDocument,
    SubmittedJob,
    describe_job,
    make_prompts,
)
from videoseg_studio.api.uploads import read_body, read_form
from videoseg_studio.jobs import AllowedPipelines, Job, JobQueue, JobRequest, Part, new_id
from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.places import HeldStream, Places
from videoseg_studio.server.settings import Settings

__all__ = ["make_jobs_router"]

_KEEP_ALIVE_SECONDS = 15.0
"""How often a silent stream of events says that it is alive, in seconds."""

_LOOK_SECONDS = 0.5
"""How often it looks whether the server ends, in seconds."""

_AS_JSON = frozenset({"objects", "options"})
"""Fields that are JSON in a form, whose fields are text."""


def make_jobs_router(settings: Settings, jobs: JobQueue, pipelines: AllowedPipelines) -> APIRouter:
    """Return the routes below ``/jobs``."""
    unknown: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorAnswer, "description": "There is no such job."}
    }
    router = APIRouter(prefix="/jobs", tags=["jobs"])
    uploads = Places(settings.max_uploads, "uploads")
    followers = Places(settings.max_followers, "followers of jobs")

    def document(job: Job) -> dict[str, Any]:
        return describe_job(
            job, default_pipeline=pipelines.names[0], jobs_before=jobs.place_of(job.id)
        )

    @router.post(
        "",
        status_code=202,
        response_model=JobDocument,
        openapi_extra=_describe_body(),
        responses={
            408: {"model": ErrorAnswer, "description": "The upload is too slow."},
            413: {"model": ErrorAnswer, "description": "The upload is too large."},
            429: {"model": ErrorAnswer, "description": "The queue is full; see Retry-After."},
        },
    )
    async def submit(request: Request, response: Response) -> dict[str, Any]:
        """Ask about a video of the project folder (JSON) or an upload (form), or give objects."""
        jobs.check_free()
        job_id = new_id()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            with uploads.taken():
                job = await _submit_form(request, settings, jobs, job_id)
        elif kind == "application/json":
            asked = _parse(await read_body(request, settings))
            job = await run_in_threadpool(jobs.submit, job_id, _request_of(asked))
        else:
            raise RequestError(415, "send JSON (curl --json) or a form with the video (curl -F)")
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return document(job)

    @router.get("", response_model=list[JobDocument])
    def list_jobs(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> list[dict[str, Any]]:
        """List jobs, newest first."""
        return [document(job) for job in jobs.all()[:limit]]

    @router.get("/{job_id}", response_model=JobDocument, responses=unknown)
    def show(job_id: str) -> dict[str, Any]:
        """Show one job."""
        return document(jobs.get(job_id))

    @router.post("/{job_id}/cancel", response_model=JobDocument, responses=unknown)
    def cancel(job_id: str) -> dict[str, Any]:
        """Cancel a job; one that runs ends within seconds, one that has ended stays as it is."""
        return document(jobs.cancel(job_id))

    @router.delete("/{job_id}", status_code=204, responses=unknown)
    def delete(job_id: str) -> None:
        """Cancel a job, and delete its upload, result and exports."""
        jobs.delete(job_id)

    @router.get(
        "/{job_id}/events",
        response_class=StreamingResponse,
        responses=unknown
        | {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def follow(job_id: str, request: Request) -> StreamingResponse:
        """Follow a job: server-sent events, each with the whole job, until it has ended."""
        jobs.get(job_id)
        followers.take()
        return HeldStream(_events(jobs, job_id, document, request.app.state.ending), followers)

    return router


async def _events(
    jobs: JobQueue,
    job_id: str,
    document: Callable[[Job], dict[str, Any]],
    ending: threading.Event,
) -> AsyncIterator[str]:
    """Yield a job as an event whenever it has changed, until it or the server ends.

    Each event is the whole state, so that a slow client misses steps between, but nothing of
    what matters, and nothing piles up for it.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def note() -> None:
        # The loop is closed if the server ends at this moment.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(changed.set)

    end = jobs.listen(job_id, note)
    try:
        while True:
            changed.clear()
            try:
                job = jobs.get(job_id)
            except RequestError:
                yield "event: deleted\ndata: {}\n\n"
                return
            yield f"event: job\ndata: {json.dumps(document(job))}\n\n"
            if job.is_finished:
                return
            silent = 0.0
            while not changed.is_set():
                if ending.is_set():
                    return
                with suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), _LOOK_SECONDS)
                silent += _LOOK_SECONDS
                if silent >= _KEEP_ALIVE_SECONDS:
                    silent = 0.0
                    yield ": still here\n\n"
    finally:
        end()


async def _submit_form(request: Request, settings: Settings, jobs: JobQueue, job_id: str) -> Job:
    """Read a form with a video and submit the job; nothing is left of one that is refused."""
    try:
        form = await read_form(request, settings, jobs.journal.upload_folder(job_id))
        fields: dict[str, Any] = dict(form.fields)
        fields |= {name: _json(fields[name]) for name in _AS_JSON & fields.keys()}
        if form.file is not None:
            fields["video"] = form.file.name
        asked = _request_of(_checked(fields), uploaded=form.file is not None)
        return await run_in_threadpool(jobs.submit, job_id, asked)
    except BaseException:
        # Also where the client has gone, which cancels this.
        jobs.journal.delete(job_id)
        raise


def _parse(body: bytes) -> SubmittedJob:
    return _checked(_json(body))


def _json(text: str | bytes) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise RequestError(400, f"this is not JSON: {error}") from error


def _checked(data: Any) -> SubmittedJob:
    try:
        return SubmittedJob.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'the body'}: "
            f"{item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError(problems) from error


def _request_of(asked: SubmittedJob, *, uploaded: bool = False) -> JobRequest:
    """Return the request of a job.

    Raises:
        ConfigError: If there is neither a question nor an object, or both, or an object is not
            one.
    """
    if bool(asked.query) == bool(asked.objects):
        raise ConfigError(
            "give either 'query', or 'objects' with a box, points or a mask"
            + ("; to follow what is given, no query is needed" if asked.query else "")
        )
    part = Part(asked.start, asked.end, asked.every, asked.max_side)
    return JobRequest(
        asked.query,
        asked.video,
        uploaded,
        asked.pipeline,
        asked.options,
        asked.seed,
        part,
        make_prompts(asked.objects),
    )


def _describe_body() -> dict[str, Any]:
    """Return what OpenAPI says of the body: JSON, or a form with the same fields."""
    schema = {"$ref": "#/components/schemas/SubmittedJob"}
    fields = {
        name: {"type": "string", "description": field["description"]}
        if name in _AS_JSON
        else dict(field)
        for name, field in SubmittedJob.model_json_schema()["properties"].items()
    }
    fields["video"] |= {"format": "binary"}
    return {
        "requestBody": {
            "required": True,
            "description": "JSON for a video of the project folder, a form to upload one.",
            "content": {
                "application/json": {
                    "schema": schema,
                    "example": {"video": "clips/dog.mp4", "query": "the dog that jumps"},
                },
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["video"], "properties": fields}
                },
            },
        }
    }
