"""The app of FastAPI: safety around it, errors as JSON, and what is mounted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from videoseg_studio.api import mount_api
from videoseg_studio.jobs import AllowedPipelines, JobQueue
from videoseg_studio.jobs.preparation import WorkPreparation
from videoseg_studio.server.errors import add_error_handlers
from videoseg_studio.server.security import SafetyMiddleware
from videoseg_studio.server.settings import Settings
from videoseg_studio.server.sign_in import mount_sign_in

__all__ = ["create_app", "serve_app"]


def create_app(settings: Settings) -> FastAPI:
    """Return the app of a server: the API under ``/api/v1``, and nothing else.

    ``app.state.settings``, ``.jobs`` and ``.pipelines`` are for what is mounted later. The queue
    of jobs starts and ends with the app.

    Args:
        settings: What the operator decided.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create_app(Settings(folder)).title
        'videoseg'
    """
    pipelines = AllowedPipelines(settings.pipelines, settings.allowed_options)
    jobs = JobQueue(settings, WorkPreparation(settings.folder, pipelines))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        with jobs:
            yield

    # FastAPI's own pages load their scripts from a CDN.
    app = FastAPI(
        title="videoseg",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.jobs = jobs
    app.state.pipelines = pipelines
    add_error_handlers(app)
    app.add_middleware(SafetyMiddleware, settings=settings)
    mount_sign_in(app, settings)
    mount_api(app, settings, jobs, pipelines)
    return app


def serve_app(app: FastAPI, *, quiet: bool = False) -> None:
    """Serve an app until it is interrupted.

    Args:
        app: An app of ``create_app``.
        quiet: Log warnings and errors only.
    """
    import uvicorn

    settings: Settings = app.state.settings
    uvicorn.run(
        app,
        host=settings.host.strip("[]"),
        port=settings.port,
        log_level="warning" if quiet else "info",
        server_header=False,
        # A client in front of a proxy must not choose the address that the server believes.
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
