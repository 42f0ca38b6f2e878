"""The app of FastAPI: safety around it, errors as JSON, and what is mounted."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from types import FrameType
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg_studio.api import mount_api
from videoseg_studio.jobs import AllowedPipelines, JobQueue
from videoseg_studio.jobs.preparation import WorkPreparation
from videoseg_studio.server.errors import add_error_handlers
from videoseg_studio.server.security import SafetyMiddleware
from videoseg_studio.server.settings import Settings
from videoseg_studio.server.sign_in import mount_sign_in

__all__ = ["create_app", "serve_app"]

_BACKLOG = 128
_SHUTDOWN_SECONDS = 3
"""How long open connections may last when the server is ended, in seconds."""


def create_app(settings: Settings) -> FastAPI:
    """Return the app of a server: the API under ``/api/v1``, and nothing else.

    ``app.state.settings``, ``.jobs``, ``.pipelines`` and ``.ending`` are for what is mounted
    later. The queue of jobs starts and ends with the app.

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
        jobs.open()
        try:
            yield
        finally:
            await run_in_threadpool(jobs.close)

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
    # Set when the server is told to end: whoever follows something is let go.
    app.state.ending = threading.Event()
    add_error_handlers(app)
    app.add_middleware(SafetyMiddleware, settings=settings)
    mount_sign_in(app, settings)
    mount_api(app, settings, jobs, pipelines)
    return app


def serve_app(app: FastAPI, *, on_start: Callable[[str], None], quiet: bool = False) -> None:
    """Serve an app until it is interrupted.

    Args:
        app: An app of ``create_app``.
        on_start: Called with the address as soon as the server listens there.
        quiet: Log warnings and errors only, not every request.

    Raises:
        OutputError: If another server uses the project folder, or it cannot be written.
        ConfigError: If the address cannot be used.
    """
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.ending.set()
            super().handle_exit(sig, frame)

    settings: Settings = app.state.settings
    with _listen(settings) as listener:
        # Here and not in uvicorn, which would print a traceback.
        app.state.jobs.open()
        address = _address(settings, listener)
        server = Server(
            uvicorn.Config(
                app,
                log_config=_log_config(quiet),
                server_header=False,
                # A client must not choose the address and the scheme that the server believes.
                proxy_headers=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        on_start(address)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            # The way to end a server; uvicorn has ended it before it passes this on.
            return
        finally:
            app.state.jobs.close()


def _log_config(quiet: bool) -> dict[str, Any]:
    """Return how uvicorn logs: requests, unless it is to be quiet, and problems."""
    from uvicorn.config import LOGGING_CONFIG

    config = deepcopy(LOGGING_CONFIG)
    config["loggers"]["uvicorn"]["level"] = "WARNING"
    config["loggers"]["uvicorn.error"]["level"] = "WARNING"
    config["loggers"]["uvicorn.access"]["level"] = "WARNING" if quiet else "INFO"
    return config


def _listen(settings: Settings) -> socket.socket:
    host = settings.host.strip("[]")
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            # From now on clients that connect are kept waiting, not refused.
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot listen on port {settings.port} of {shorten(settings.host)}: "
            f"{error.strerror or error}; choose another --port or --host"
        ) from error
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = settings.host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
