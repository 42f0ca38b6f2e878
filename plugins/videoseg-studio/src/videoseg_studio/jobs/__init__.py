"""A bounded queue of jobs, each in a process of its own."""

from videoseg_studio.jobs.queue import JobQueue

__all__ = ["JobQueue"]
