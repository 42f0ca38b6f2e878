"""From a request to the work of a worker: paths are resolved, everything is checked."""

from __future__ import annotations

from pathlib import Path

from videoseg.errors import ConfigError
from videoseg.pipeline import check_query
from videoseg_studio.jobs.journal import Journal
from videoseg_studio.jobs.pipelines import AllowedPipelines
from videoseg_studio.jobs.types import Job
from videoseg_studio.jobs.worker import Work
from videoseg_studio.server.paths import resolve_video

__all__ = ["WorkPreparation", "find_video"]


class WorkPreparation:
    """Checks requests; called when a job is submitted, and again before it runs.

    Args:
        folder: The project folder.
        pipelines: The pipelines on offer.
    """

    def __init__(self, folder: Path, pipelines: AllowedPipelines) -> None:
        self._folder = folder
        self._pipelines = pipelines

    def __call__(self, job: Job, journal: Journal) -> Work:
        """Return the work of a job.

        Raises:
            VideosegError: If the query, the video, the pipeline or an option is not allowed.
        """
        request = job.request
        return Work(
            config=self._pipelines.configure(request.pipeline, request.options),
            video=find_video(job, journal, self._folder),
            video_name=request.video,
            query=request.query if request.prompts else check_query(request.query),
            seed=request.seed,
            part=request.part,
            prompts=request.prompts,
            result=journal.result_folder(job.id),
            scratch=journal.scratch_folder(job.id),
        )


def find_video(job: Job, journal: Journal, folder: Path) -> Path:
    """Return the video of a job: the uploaded file, or what it names in the project folder.

    Raises:
        ConfigError: If it is not there, or leads outside the folder, also by a symbolic link
            among the pictures of a folder.
    """
    if job.request.uploaded:
        place = journal.upload_folder(job.id)
        files = list(place.iterdir()) if place.is_dir() else []
        if len(files) != 1:
            raise ConfigError("the uploaded video is not there any more; submit the job again")
        return files[0]
    return resolve_video(folder, job.request.video)
