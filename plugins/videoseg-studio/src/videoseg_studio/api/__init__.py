"""The routes of the service, under ``/api/v1``."""

from videoseg_studio.api.routes import mount_api

__all__ = ["mount_api"]
