"""Jobs on disk: a folder for each, with a file that says how far it is.

``<data folder>/jobs/<id>`` holds ``job.json``, ``upload/`` with the uploaded video, ``result/``
with the result and ``exports/``. ``job.json`` is written anew, atomically, at each change of
state, so that a server that is killed finds its jobs again.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from videoseg.errors import VideosegError
from videoseg.files import make_folder, read_text, write_file
from videoseg.text import parse_json
from videoseg.types import from_dict, to_dict
from videoseg_studio.jobs.types import Job

__all__ = ["Journal"]

_ID = re.compile(r"[0-9a-f]{20}")
_MOST_BYTES = 2**22


class Journal:
    """The folders of jobs.

    Args:
        folder: The folder that holds them; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder_of(self, job_id: str) -> Path:
        """Return the folder of a job."""
        return self._folder / job_id

    def upload_folder(self, job_id: str) -> Path:
        """Return the folder of a job's uploaded video."""
        return self._folder / job_id / "upload"

    def result_folder(self, job_id: str) -> Path:
        """Return the folder of a job's result."""
        return self._folder / job_id / "result"

    def export_folder(self, job_id: str) -> Path:
        """Return the folder of a job's exports."""
        return self._folder / job_id / "exports"

    def scratch_folder(self, job_id: str) -> Path:
        """Return the folder of the temporary files of a job that runs."""
        return self._folder / job_id / "scratch"

    def write(self, job: Job) -> None:
        """Write the state of a job.

        Raises:
            OutputError: If it cannot be written.
        """
        text = json.dumps(to_dict(job), ensure_ascii=False, indent=1)
        write_file(self.folder_of(job.id) / "job.json", text + "\n")

    def read(self) -> Iterator[Job]:
        """Yield the jobs on disk, oldest first; what is not one is left alone."""
        make_folder(self._folder)
        jobs = []
        for folder in self._folder.iterdir():
            if not _ID.fullmatch(folder.name) or not folder.is_dir():
                continue
            with suppress(OSError, ValueError, VideosegError):
                data = parse_json(read_text(folder / "job.json", max_bytes=_MOST_BYTES))
                job = from_dict(Job, data)
                if job.id == folder.name:
                    jobs.append(job)
                    continue
            # Killed before the first line was written: nobody has been told of this job.
            shutil.rmtree(folder, ignore_errors=True)
        yield from sorted(jobs, key=lambda job: job.created)

    def clear(self, job_id: str, *, uploads: bool = True) -> None:
        """Delete what a job that has no result has left.

        Args:
            job_id: The job.
            uploads: Whether the uploaded video is deleted as well.
        """
        places = [self.scratch_folder(job_id), self.export_folder(job_id)]
        places += [self.upload_folder(job_id)] if uploads else []
        places += list(self.folder_of(job_id).glob("*result*"))
        places += list(self.folder_of(job_id).glob(".*result*"))
        for place in places:
            shutil.rmtree(place, ignore_errors=True)

    def forget(self, job_id: str) -> None:
        """Delete the state of a job: the rest of its folder is no job any more."""
        with suppress(OSError):
            (self.folder_of(job_id) / "job.json").unlink()

    def delete(self, job_id: str) -> None:
        """Delete everything of a job."""
        shutil.rmtree(self.folder_of(job_id), ignore_errors=True)
