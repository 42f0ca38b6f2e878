"""A bounded queue of jobs, each in a process of its own."""

from videoseg_studio.jobs.journal import Journal
from videoseg_studio.jobs.pipelines import AllowedPipelines
from videoseg_studio.jobs.queue import JobQueue
from videoseg_studio.jobs.types import Job, JobError, JobRequest, Part, Progress, new_id

__all__ = [
    "AllowedPipelines",
    "Job",
    "JobError",
    "JobQueue",
    "JobRequest",
    "Journal",
    "Part",
    "Progress",
    "new_id",
]
