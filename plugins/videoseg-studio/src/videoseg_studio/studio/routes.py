"""The routes of the page: its files, videos, frames, masks, and what a person does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

import videoseg as vs
from videoseg.errors import ConfigError
from videoseg.pipeline import check_query
from videoseg.text import format_count, printable
from videoseg.types import Box, Point
from videoseg_studio.server.places import HeldStream, Places
from videoseg_studio.studio.exporting import FORMATS, export_project
from videoseg_studio.studio.views import (
    describe_agreement,
    describe_answer,
    describe_masks,
    describe_timeline,
)
from videoseg_studio.studio.work import StageTeller, Work
from videoseg_studio.studio.workspace import OpenProject, Workspace

__all__ = ["mount_studio"]

_PAGE = Path(__file__).parent.parent / "page"

# A page looks for news this often; a still project sends a comment now and then instead.
_TICK_SECONDS = 0.15
_HEARTBEAT_SECONDS = 15.0

# Beyond any video; what is larger does not fit into the database of masks.
_LARGEST_FRAME = 2**31

# The picture of a frame does not change as long as the file does not.
_KEEP = {"cache-control": "private, max-age=3600"}


def mount_studio(app: FastAPI, *, video: Path | None = None) -> None:
    """Add the page and its routes to an app of ``videoseg_studio.server.create_app``.

    Args:
        app: The app.
        video: The video that the page shows first; inside the project folder.
    """
    workspace = Workspace(app.state.settings, app.state.pipelines, video=video)
    app.state.studio = workspace
    router = APIRouter(prefix="/studio", include_in_schema=False)
    _add_videos(router, workspace)
    _add_pictures(router, workspace)
    _add_actions(router, workspace)
    _add_work(router, workspace)
    app.include_router(router)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        """Send the page."""
        return FileResponse(_PAGE / "index.html", media_type="text/html; charset=utf-8")

    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    _close_with(app, workspace)


def _close_with(app: FastAPI, workspace: Workspace) -> None:
    """Close the workspace when the app ends."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state:
            try:
                yield state
            finally:
                await run_in_threadpool(workspace.close)

    app.router.lifespan_context = lifespan


# -- what requests hold ------------------------------------------------------------------------


def _find_project(request: Request, key: str) -> OpenProject:
    workspace: Workspace = request.app.state.studio
    return workspace.project(key)


Found = Annotated[OpenProject, Depends(_find_project)]

Place = Annotated[tuple[float, float], Field(description="x and y in pixels of the video")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class VideoBody(_Body):
    """Which video is opened."""

    video: str = Field(max_length=4_096)
    variant: Literal["", "compare"] = ""


class CorrectBody(_Body):
    """Clicks and a box on one frame: all that were made there."""

    object: int = Field(ge=1)
    frame: int = Field(ge=0)
    points: list[Place] = Field(default_factory=list, max_length=200)
    negative_points: list[Place] = Field(default_factory=list, max_length=200)
    box: tuple[float, float, float, float] | None = None
    pipeline: str = Field("", max_length=4_096)


class ActionBody(_Body):
    """Something that is done at once."""

    do: Literal["add", "remove", "rename", "hide", "forget", "undo", "redo"]
    object: int = Field(1, ge=1)
    frame: int = Field(0, ge=0)
    label: str = Field("", max_length=1_000)


class AskBody(_Body):
    """A question."""

    query: str = Field(max_length=20_000)
    pipeline: str = Field("", max_length=4_096)


class PropagateBody(_Body):
    """What is propagated, and where to."""

    objects: list[int] = Field(default_factory=list, max_length=1_000)
    way: Literal["forward", "backward", "both"] = "both"
    frame: int | None = Field(None, ge=0)
    reach: int | None = Field(None, ge=1)
    pipeline: str = Field("", max_length=4_096)


class ExportBody(_Body):
    """What is exported."""

    format: str = Field(max_length=40)
    frames: bool = False


# -- videos ------------------------------------------------------------------------------------


def _add_videos(router: APIRouter, workspace: Workspace) -> None:
    places = Places(workspace.settings.max_uploads, "uploads")

    @router.get("/start")
    def start() -> dict[str, Any]:
        """Return what the page needs before a video is chosen."""
        return {
            "version": vs.__version__,
            "video": workspace.video,
            "videos": workspace.list_videos(),
            "pipelines": workspace.list_pipelines(),
            "formats": list(FORMATS),
            "max_upload_bytes": workspace.settings.max_upload_bytes,
        }

    @router.post("/uploads")
    async def upload(request: Request) -> dict[str, str]:
        """Take a video from the browser."""
        from videoseg_studio.api.uploads import read_form

        with places.taken(), workspace.upload_folder() as (folder, key):
            form = await read_form(request, workspace.settings, folder)
            if form.file is None:
                raise ConfigError("there is no file in the request; choose a video")
        return {"video": f"upload:{key}/{form.file.name}"}

    @router.post("/uploads/delete")
    def delete_upload(body: VideoBody) -> dict[str, list[str]]:
        """Delete an uploaded video with its corrections, and return those that are left."""
        workspace.delete_upload(body.video)
        return {"videos": workspace.list_videos()}

    @router.post("/projects")
    def open_project(body: VideoBody) -> dict[str, Any]:
        """Open the project of a video."""
        project = workspace.open(body.video, body.variant)
        # A short video is open at once; a long one shows its first picture meanwhile.
        project.wait(0.3)
        return project.describe()


# -- pictures and masks ------------------------------------------------------------------------


def _add_pictures(router: APIRouter, workspace: Workspace) -> None:
    @router.get("/projects/{key}")
    def describe(project: Found) -> dict[str, Any]:
        """Return what is known of a project."""
        return project.describe()

    @router.get("/projects/{key}/poster.jpg")
    def poster(project: Found) -> Response:
        """Return the first picture of a video that is being opened."""
        if project.poster is None:
            return Response(status_code=204)
        return Response(project.poster, media_type="image/jpeg")

    @router.get("/projects/{key}/frames/{frame}.jpg")
    def picture(project: Found, frame: int, width: int = Query(0, ge=0, le=8_192)) -> Response:
        """Return one frame."""
        data = project.pictures.jpeg(frame, width)
        return Response(data, media_type="image/jpeg", headers=_KEEP)

    @router.get("/projects/{key}/masks")
    def masks(
        project: Found,
        start: int = Query(ge=0, le=_LARGEST_FRAME),
        count: int = Query(32, ge=1, le=64),
    ) -> dict[str, Any]:
        """Return the masks of some frames, as runs."""
        return describe_masks(project.session, start, count) | {"revision": project.revision}

    @router.get("/projects/{key}/timeline")
    def timeline(project: Found, bins: int = Query(1_200, ge=1, le=4_000)) -> dict[str, Any]:
        """Return where in the video each object is."""
        return describe_timeline(project.session, bins) | {"revision": project.revision}

    @router.get("/projects/{key}/answer")
    def answer(project: Found) -> dict[str, Any]:
        """Return the last answer, turn by turn."""
        return describe_answer(project.session)

    @router.get("/projects/{key}/agreement/{other}")
    def agreement(
        project: Found, other: str, bins: int = Query(600, ge=1, le=2_000)
    ) -> dict[str, Any]:
        """Return how much the masks of two projects of one video share, along the video."""
        return describe_agreement(project.session, workspace.project(other).session, bins)


# -- what a person does ------------------------------------------------------------------------


def _add_actions(router: APIRouter, workspace: Workspace) -> None:
    @router.post("/projects/{key}/correct")
    def correct(project: Found, body: CorrectBody) -> dict[str, Any]:
        """Take clicks and a box, and return the mask of the frame."""
        session = project.session
        box = None if body.box is None else _box(body.box)
        stages = workspace.stages(body.pipeline)
        session.correct(
            stages,
            body.object,
            body.frame,
            points=[Point(x, y) for x, y in body.points],
            negative_points=[Point(x, y) for x, y in body.negative_points],
            box=box,
        )
        project.change()
        return project.describe() | {"masks": describe_masks(session, body.frame, 1)}

    @router.post("/projects/{key}/do")
    def act(project: Found, body: ActionBody) -> dict[str, Any]:
        """Do something that takes no time."""
        session = project.session
        told = ""
        if body.do in ("undo", "redo") and project.worker.is_busy:
            raise ConfigError("masks are being made; cancel that first, then undo")
        if body.do == "add":
            told = str(session.add_object(body.label))
        elif body.do == "remove":
            session.remove_object(body.object)
        elif body.do == "rename":
            session.rename_object(body.object, body.label)
        elif body.do == "hide":
            session.hide(body.object, body.frame)
        elif body.do == "forget":
            session.forget(body.object, body.frame)
        else:
            told = session.undo() if body.do == "undo" else session.redo()
        project.change()
        return project.describe() | {"told": told}


def _box(corners: tuple[float, float, float, float]) -> Box:
    x1, y1, x2, y2 = corners
    if not (x1 < x2 and y1 < y2):
        raise ConfigError("the box has no inside; drag it over the object")
    return Box(x1, y1, x2, y2)


# -- what takes long ---------------------------------------------------------------------------


def _add_work(router: APIRouter, workspace: Workspace) -> None:
    places = Places(workspace.settings.max_followers, "pages that follow the work")

    @router.post("/projects/{key}/ask")
    def ask(project: Found, body: AskBody) -> dict[str, Any]:
        """Begin to answer a question."""
        query = check_query(body.query)
        session, stages = project.session, workspace.stages(body.pipeline)

        def run(work: Work) -> str:
            count = session.ask(
                stages,
                query,
                observers=[StageTeller(work)],
                cancel=work.cancel,
                tell=_teller(project, work),
            )
            status = session.answer.get("status")
            if count:
                doubt = "; a guess, see “Why”" if status == "guessed" else ""
                return f"found {format_count(count, 'object')}{doubt}"
            said = "not in this video" if status == "absent" else "nothing that fits was seen"
            return f"{said}; click on the object to mark it yourself"

        project.worker.start(Work("ask", "answering the question"), run)
        return project.describe()

    @router.post("/projects/{key}/propagate")
    def propagate(project: Found, body: PropagateBody) -> dict[str, Any]:
        """Begin to propagate what changed."""
        session, stages = project.session, workspace.stages(body.pipeline)

        def run(work: Work) -> str:
            work.note = "following"
            count = session.propagate(
                stages,
                objects=body.objects,
                way=body.way,
                frame=body.frame,
                reach=body.reach,
                cancel=work.cancel,
                tell=_teller(project, work),
            )
            return f"{format_count(count, 'frame')} computed again"

        project.worker.start(Work("propagate", "propagating"), run)
        return project.describe()

    @router.post("/projects/{key}/export")
    def export(project: Found, body: ExportBody) -> dict[str, Any]:
        """Begin to write an export."""
        session = project.session
        if body.format not in FORMATS:
            raise ConfigError(f"the format must be one of {', '.join(FORMATS)}")

        def run(work: Work) -> str:
            work.note = f"writing {body.format}"
            path = export_project(session, project.name, body.format, frames=body.frames)
            work.result = {"file": path.name, "bytes": path.stat().st_size}
            return f"{printable(path.name)} is ready"

        project.worker.start(Work("export", f"exporting {body.format}"), run)
        return project.describe()

    @router.get("/projects/{key}/exports/{name}")
    def download(project: Found, name: str) -> FileResponse:
        """Send an export."""
        folder = project.session.folder / "exports"
        known = {path.name: path for path in folder.glob("*.zip")}
        if name not in known:
            raise ConfigError("there is no such export; export again")
        return FileResponse(known[name], media_type="application/zip", filename=name)

    @router.post("/projects/{key}/cancel")
    def cancel(project: Found) -> dict[str, Any]:
        """End what is running."""
        project.worker.cancel()
        return project.describe()

    @router.get("/projects/{key}/events")
    async def events(project: Found, request: Request) -> HeldStream:
        """Tell of progress and changes as they come (server-sent events)."""
        places.take()
        return HeldStream(_tell_events(project, request), places)


def _teller(project: OpenProject, work: Work) -> Any:
    """Return what takes note of progress, and now and then has the page look at new masks."""

    def tell(done: int, total: int) -> None:
        work.tell(done, total)
        if done == 1 or done % 24 == 0:
            project.change()

    return tell


async def _tell_events(project: OpenProject, request: Request) -> AsyncIterator[str]:
    last, silent = "", 0.0
    while not (request.app.state.ending.is_set() or await request.is_disconnected()):
        work = project.worker.work
        news = json.dumps(
            {
                "status": project.status,
                "error": project.error,
                "revision": project.revision,
                "work": None if work is None else work.describe(),
            }
        )
        if news != last:
            last, silent = news, 0.0
            yield f"data: {news}\n\n"
        elif silent > _HEARTBEAT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_TICK_SECONDS)
        silent += _TICK_SECONDS
