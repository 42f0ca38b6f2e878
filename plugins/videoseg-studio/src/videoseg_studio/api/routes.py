"""The routes under ``/api/v1``."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

__all__ = ["mount_api"]


def mount_api(app: FastAPI) -> None:
    """Add the routes to an app."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/health")
    def health() -> dict[str, str]:
        """Say that the server answers."""
        return {"status": "ok"}

    app.include_router(router)
