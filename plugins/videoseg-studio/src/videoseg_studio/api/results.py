"""Routes of results: the files of a result folder, masks of single frames, exports."""

from __future__ import annotations

import io
import shutil
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from PIL import Image

from videoseg.errors import FrameNotFoundError
from videoseg.results import ExportFormat, Segmentation, check_format, load_result
from videoseg_studio.api.documents import ErrorAnswer
from videoseg_studio.jobs import Job, JobQueue
from videoseg_studio.jobs.exports import ExportWork
from videoseg_studio.jobs.preparation import find_video
from videoseg_studio.jobs.slot import WorkerSlot
from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.settings import Settings

__all__ = ["make_results_router"]

_EXPORTS_AT_ONCE = 2
_EXPORT_WAIT_SECONDS = 60.0
_RESULTS_IN_MEMORY = 4

_loading = threading.Lock()

_REPORT_POLICY = (
    "default-src 'none'; img-src data:; media-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For report.html, which has its style inside; its own policy admits only its own script."""

_PARTS = {
    "result.json": "application/json",
    "report.html": "text/html; charset=utf-8",
    "overlay.mp4": "video/mp4",
}


def make_results_router(settings: Settings, jobs: JobQueue) -> APIRouter:
    """Return the routes of results, below ``/jobs/{job_id}``."""
    errors: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorAnswer},
        409: {"model": ErrorAnswer, "description": "The job has no result (yet)."},
    }
    router = APIRouter(prefix="/jobs/{job_id}", tags=["results"], responses=errors)
    places = threading.BoundedSemaphore(_EXPORTS_AT_ONCE)

    def done(job_id: str) -> Job:
        job = jobs.get(job_id)
        if job.state != "done":
            raise RequestError(409, f"the job has no result: it is {job.state}")
        return job

    def part(job_id: str, name: str, **headers: str) -> FileResponse:
        done(job_id)
        path = jobs.journal.result_folder(job_id) / name
        if not path.is_file():
            raise RequestError(404, f"the result has no {name}")
        return FileResponse(path, media_type=_PARTS[name], headers=headers)

    @router.get("/result.json", response_class=FileResponse)
    def result(job_id: str) -> FileResponse:
        """Return the result: masks as COCO RLE, reasoning, timings. See `videoseg schema`."""
        return part(job_id, "result.json")

    @router.get("/report.html", response_class=FileResponse)
    def report(job_id: str) -> FileResponse:
        """Return the report, a page that needs nothing else."""
        return part(job_id, "report.html", **{"Content-Security-Policy": _REPORT_POLICY})

    @router.get("/overlay.mp4", response_class=FileResponse)
    def overlay(job_id: str) -> FileResponse:
        """Return the video with the masks drawn; parts of it can be asked for (Range)."""
        return part(job_id, "overlay.mp4")

    @router.get("/masks/{frame}")
    def masks(job_id: str, frame: int) -> dict[str, Any]:
        """Return the masks of one frame as COCO RLE, for each object that is visible."""
        loaded = _load(jobs, done(job_id))
        _check_frame(loaded, frame)
        found = {
            str(track.object_id): {"size": list(rle.size), "counts": rle.counts}
            for track in loaded.tracks
            if (rle := track.masks[frame]) is not None
        }
        return {"frame": frame, "masks": found}

    @router.get(
        "/masks/{frame}/{object_id}.png",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}},
    )
    def mask(job_id: str, frame: int, object_id: int) -> Response:
        """Return the mask of an object on a frame: a picture with 0 and 255."""
        loaded = _load(jobs, done(job_id))
        _check_frame(loaded, frame)
        pixels = loaded.track(object_id).mask(frame).astype(np.uint8) * 255
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "png")
        return Response(data.getvalue(), media_type="image/png")

    @router.get(
        "/exports/{name}",
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}}},
    )
    def exported(job_id: str, name: str) -> FileResponse:
        """Return the masks in a format of other tools, as a ZIP archive."""
        check_format(name)
        job = done(job_id)
        archive = jobs.journal.export_folder(job_id) / f"{name}.zip"
        if not archive.is_file():
            if not places.acquire(timeout=_EXPORT_WAIT_SECONDS):
                raise RequestError(
                    503,
                    "other exports are being written; try again in 30 seconds",
                    headers={"Retry-After": "30"},
                )
            try:
                if not archive.is_file():
                    _write_archive(job, jobs, settings, cast("ExportFormat", name), archive)
            finally:
                places.release()
        return FileResponse(archive, media_type="application/zip", filename=f"{job_id}-{name}.zip")

    return router


def _check_frame(result: Segmentation, frame: int) -> None:
    if not 0 <= frame < result.video.num_frames:
        raise FrameNotFoundError(frame, result.video.num_frames)


def _load(jobs: JobQueue, job: Job) -> Segmentation:
    # One at a time: the same result would be read by each of the requests that come together.
    with _loading:
        return _load_result(jobs.journal.result_folder(job.id), job.finished or 0.0)


@lru_cache(maxsize=_RESULTS_IN_MEMORY)
def _load_result(folder: Path, finished: float) -> Segmentation:
    """Return a result; a page asks for the masks of one frame after another."""
    del finished
    return load_result(folder)


def _write_archive(
    job: Job, jobs: JobQueue, settings: Settings, name: ExportFormat, archive: Path
) -> None:
    """Export a result in a process of its own, which is ended if it takes too long."""
    work = ExportWork(
        format=name,
        video=find_video(job, jobs.journal, settings.folder),
        video_name=job.request.video,
        result=jobs.journal.result_folder(job.id),
        archive=archive,
        scratch=jobs.journal.scratch_folder(job.id) / name,
    )
    slot = WorkerSlot()
    try:
        how, problem = slot.run(
            work, seconds=settings.job_seconds, on_message=lambda _kind, _content: None
        )
    finally:
        slot.close()
        shutil.rmtree(work.scratch, ignore_errors=True)
    if how == "failed":
        raise RequestError(500, f"the export failed: {problem.message}")
