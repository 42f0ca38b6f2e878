"""The routes under ``/api/v1``, and a page that explains them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

from videoseg.plugins import default_registry
from videoseg.results import EXPORT_FORMATS
from videoseg_studio.api.documents import ErrorAnswer, SubmittedJob, option_documents
from videoseg_studio.api.jobs import make_jobs_router
from videoseg_studio.api.page import render_page
from videoseg_studio.api.results import make_results_router
from videoseg_studio.jobs import AllowedPipelines, JobQueue
from videoseg_studio.server.settings import Settings

__all__ = ["mount_api"]


def mount_api(
    app: FastAPI, settings: Settings, jobs: JobQueue, pipelines: AllowedPipelines
) -> None:
    """Add the routes to an app.

    Args:
        app: The app.
        settings: What the operator decided.
        jobs: The queue.
        pipelines: The pipelines on offer.
    """
    router = APIRouter(
        prefix="/api/v1",
        responses={
            401: {"model": ErrorAnswer, "description": "The token is missing or wrong."},
            403: {"model": ErrorAnswer, "description": "The request comes from another site."},
            422: {"model": ErrorAnswer, "description": "Something in the request is not allowed."},
        },
    )
    router.include_router(_make_overview_router(pipelines))
    router.include_router(make_jobs_router(settings, jobs, pipelines))
    router.include_router(make_results_router(settings, jobs))
    app.include_router(router)

    _add_schemas(app)

    @app.get("/api", response_class=HTMLResponse, include_in_schema=False)
    def explain(request: Request) -> str:
        return render_page(app.openapi(), str(request.base_url).rstrip("/"))


def _add_schemas(app: FastAPI) -> None:
    """Add the schema of what is submitted, which no route declares: it reads the body itself."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schema = SubmittedJob.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs")
        document["components"]["schemas"] |= {**parts, "SubmittedJob": schema}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _make_overview_router(pipelines: AllowedPipelines) -> APIRouter:
    router = APIRouter(tags=["overview"])

    @router.get("/health")
    def health() -> dict[str, str]:
        """Say that the server answers. Needs no token."""
        return {"status": "ok"}

    @router.get("/pipelines")
    def list_pipelines() -> dict[str, Any]:
        """List the pipelines on offer, with the options that may be set, and export formats."""
        return {
            "version": version("videoseg"),
            "default": pipelines.names[0],
            "pipelines": [
                {
                    "name": name,
                    "stages": pipelines.stages_of(name),
                    "options": option_documents(pipelines.options_of(name)),
                }
                for name in pipelines.names
            ],
            "formats": list(EXPORT_FORMATS),
        }

    @router.get("/components")
    def list_components() -> list[dict[str, str]]:
        """List the components that are installed, of which pipelines are made."""
        return [
            {
                "kind": entry.component.kind,
                "name": entry.component.name,
                "summary": entry.component.summary,
                "distribution": entry.distribution,
                "version": entry.version,
                "license": entry.component.license,
            }
            for entry in default_registry().components()
        ]

    return router
