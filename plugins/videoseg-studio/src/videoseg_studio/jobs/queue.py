"""The queue of jobs."""

from __future__ import annotations

from videoseg_studio.server.settings import Settings

__all__ = ["JobQueue"]


class JobQueue:
    """Runs jobs in worker processes.

    Args:
        settings: Limits and folders.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> JobQueue:
        return self

    def __exit__(self, *_error: object) -> None:
        pass
