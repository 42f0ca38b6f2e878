"""The page: ask, look and correct."""

from __future__ import annotations

from fastapi import FastAPI

__all__ = ["mount_studio"]


def mount_studio(app: FastAPI) -> None:
    """Add the page and its routes to an app of ``videoseg_studio.server.create_app``."""
    del app
