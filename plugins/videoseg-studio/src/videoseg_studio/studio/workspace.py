"""The videos of the project folder, and the projects that are open."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import videoseg as vs
from videoseg.errors import ConfigError, VideosegError
from videoseg.files import make_folder
from videoseg.pipeline import judge_registered
from videoseg.text import printable
from videoseg_studio.editing import EditSession, EditStages
from videoseg_studio.jobs import AllowedPipelines
from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.paths import is_allowed, resolve_video
from videoseg_studio.server.settings import Settings
from videoseg_studio.studio.frames import FramePictures, read_poster
from videoseg_studio.studio.work import Worker

__all__ = ["OpenProject", "Workspace", "is_picture_folder"]

_log = logging.getLogger("videoseg_studio")

_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".gif", ".wmv"}
)
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_MOST_VIDEOS = 500
_MOST_SEEN = 20_000
_DEEPEST = 4

# Each holds a decoder, and frames of 96 MiB at most.
_MOST_OPEN = 4
_CACHE_BYTES = 96 * 2**20
_MOST_PIPELINES = 2

# Uploads are kept, since corrections belong to them, until a person deletes them.
_MOST_UPLOADS = 20
# Before the name of the folder of an upload that is not complete.
_PARTIAL = ".part-"
_VARIANTS = ("", "compare")

# How long work may take to end when the studio is ended; a model cannot be interrupted.
_END_SECONDS = 3.0


class OpenProject:
    """One project that is open, or being opened.

    Args:
        key: What clients call it.
        name: What the video is called.
        path: The video.
        folder: The folder of the project.

    Attributes:
        status: ``opening``, ``ready`` or ``failed``.
        error: Why it failed.
        revision: Grows whenever masks or objects may have changed.
        poster: The first picture, while the video is being opened.
    """

    def __init__(self, key: str, name: str, path: Path, folder: Path) -> None:
        self.key, self.name, self.path = key, name, path
        self.status, self.error, self.revision = "opening", "", 1
        self.poster: bytes | None = None
        self._folder = folder
        self._video: vs.Video | None = None
        self._session: EditSession | None = None
        self._pictures: FramePictures | None = None
        self.worker = Worker(self.change)
        self._opened = threading.Event()
        threading.Thread(target=self._open, name="studio-open", daemon=True).start()

    @property
    def session(self) -> EditSession:
        """The project.

        Raises:
            RequestError: If it is not open yet (409), or could not be opened (422).
        """
        if self._session is None:
            self._refuse()
        return self._session  # type: ignore[return-value]

    @property
    def pictures(self) -> FramePictures:
        """The pictures of the video; errors are those of ``session``."""
        if self._pictures is None:
            self._refuse()
        return self._pictures  # type: ignore[return-value]

    def change(self) -> None:
        """Note that masks or objects may have changed."""
        self.revision += 1

    def describe(self) -> dict[str, Any]:
        """Return everything that the page shows of it, but pictures and masks."""
        work = self.worker.work
        known: dict[str, Any] = {
            "id": self.key,
            "name": printable(self.name),
            "status": self.status,
            "error": self.error,
            "revision": self.revision,
            "work": None if work is None else work.describe(),
        }
        if self.status == "ready":
            facts = self.session.video.facts()
            known["video"] = {
                "num_frames": facts.num_frames,
                "height": facts.size[0],
                "width": facts.size[1],
                "fps": facts.fps,
                "duration": facts.duration,
                "warnings": list(getattr(self.session.video, "warnings", ())),
            }
            known |= self.session.describe()
            known["answered"] = bool(self.session.answer)
        return known

    def wait(self, seconds: float) -> None:
        """Wait until it is open or has failed."""
        self._opened.wait(seconds)

    def close(self) -> None:
        """End its work and close its files."""
        self.worker.cancel()
        self.worker.join(_END_SECONDS)
        self._opened.wait(_END_SECONDS)
        if self._session is not None:
            self._session.close()
        if self._video is not None:
            self._video.close()

    def _open(self) -> None:
        try:
            self.poster = read_poster(self.path)
            self.revision += 1
            self._video = vs.Video.open(self.path, cache_bytes=_CACHE_BYTES)
            self._session = EditSession(self._folder, self._video)
            self._pictures = FramePictures(self._video)
            self.status = "ready"
        except VideosegError as error:
            self._fail(str(error))
        except Exception:
            _log.exception("cannot open a project")
            self._fail("it could not be opened; the log of the studio has the reason")
        finally:
            self.poster = self.poster if self.status == "ready" else None
            self.revision += 1
            self._opened.set()

    def _fail(self, error: str) -> None:
        # Where the folder is on this machine is not for those who look from another.
        self.error, self.status = error.replace(str(self.path), self.name), "failed"
        for one in (self._session, self._video):
            if one is not None:
                one.close()
        self._session = self._video = None

    def _refuse(self) -> None:
        if self.status == "failed":
            raise RequestError(422, self.error)
        raise RequestError(409, "the video is still being opened; ask again in a second")


class Workspace:
    """Everything the page works on.

    Args:
        settings: The settings of the server.
        pipelines: The pipelines that are offered.
        video: The video that the page shows first, inside the project folder.
    """

    def __init__(
        self, settings: Settings, pipelines: AllowedPipelines, *, video: Path | None = None
    ) -> None:
        self.settings, self.pipelines = settings, pipelines
        self.video = (
            "" if video is None else video.resolve().relative_to(settings.folder).as_posix()
        )
        self._lock = threading.RLock()
        self._open: OrderedDict[str, OpenProject] = OrderedDict()
        self._stages: OrderedDict[str, EditStages] = OrderedDict()

    @property
    def data_folder(self) -> Path:
        """The folder of uploads and projects."""
        return self.settings.data_folder / "studio"

    def list_videos(self) -> list[str]:
        """Return the videos of the folder and of uploads, by the names that ``open`` takes."""
        found = sorted(_find_videos(self.settings.folder))[:_MOST_VIDEOS]
        uploads = self.data_folder / "uploads"
        if uploads.is_dir():
            found += sorted(
                f"upload:{path.parent.name}/{path.name}"
                for path in uploads.glob("*/*")
                if not path.parent.name.startswith(".")
            )
        return found

    def list_pipelines(self) -> list[dict[str, Any]]:
        """Return the pipelines: those that are offered, then others with what they lack."""
        offered = [{"name": name, "usable": True, "why": ""} for name in self.pipelines.names]
        registry = vs.default_registry()
        others = []
        for entry in registry.components("pipeline"):
            if entry.component.name not in self.pipelines.names:
                readiness = judge_registered(registry, entry)
                why = str(readiness) if readiness.state != "usable" else "not offered here"
                others.append({"name": entry.component.name, "usable": False, "why": why})
        return offered + others

    def stages(self, name: str) -> EditStages:
        """Return the stages of a pipeline that is offered; the default one for an empty name.

        Raises:
            ConfigError: If it is not offered.
            VideosegError: If it cannot be used.
        """
        name = name or self.pipelines.names[0]
        pipeline = self.pipelines.pipeline(name)
        with self._lock:
            if name not in self._stages:
                self._stages[name] = EditStages(pipeline)
            self._stages.move_to_end(name)
            while len(self._stages) > _MOST_PIPELINES:
                idle = [key for key, one in self._stages.items() if not one.is_used]
                if not idle or idle[0] == name:
                    break
                self._stages.pop(idle[0]).close()
            return self._stages[name]

    def open(self, name: str, variant: str = "") -> OpenProject:
        """Open a video, and return at once; reading it goes on.

        Args:
            name: The path inside the project folder, or ``upload:...`` for what was uploaded.
            variant: For a second project of the same video, beside the first.

        Raises:
            ConfigError: If there is no such video.
        """
        path = self._path_of(name)
        key = _key(name, variant, path)
        with self._lock:
            known = self._open.get(key)
            if known is not None and known.status != "failed":
                self._open.move_to_end(key)
                return known
            folder = self.data_folder / "projects" / key
            shown = name.partition("/")[2] if name.startswith("upload:") else name
            project = OpenProject(key, shown, path, folder)
            self._open[key] = project
            self._open.move_to_end(key)
            self._close_idle()
            threading.Thread(target=self._prepare, name="studio-prepare", daemon=True).start()
            return project

    def project(self, key: str) -> OpenProject:
        """Return a project that is open.

        Raises:
            RequestError: If it is not (404).
        """
        with self._lock:
            project = self._open.get(key)
            if project is None:
                raise RequestError(404, "this project is not open; choose the video again")
            self._open.move_to_end(key)
            return project

    @contextmanager
    def upload_folder(self) -> Iterator[tuple[Path, str]]:
        """Give a folder for an upload, and the name it has once the block ends without error.

        Raises:
            RequestError: If as many uploads are kept as there may be (507).
        """
        uploads = self.data_folder / "uploads"
        make_folder(uploads)
        with self._lock:
            self._remove_broken_uploads()
            if sum(1 for _ in uploads.iterdir()) >= _MOST_UPLOADS:
                raise RequestError(
                    507,
                    f"{_MOST_UPLOADS} uploaded videos are kept, which are as many as there may "
                    "be; delete one in the list of videos, or copy this one into the project "
                    "folder",
                )
            key = os.urandom(6).hex()
            folder = uploads / f"{_PARTIAL}{key}"
            make_folder(folder)
        try:
            yield folder, key
            folder.rename(uploads / key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def delete_upload(self, name: str) -> None:
        """Delete an uploaded video with its corrections.

        Raises:
            ConfigError: If there is no such upload.
            RequestError: If it is being worked on (409).
        """
        if not name.startswith("upload:"):
            raise ConfigError("only uploaded videos can be deleted here")
        path = self._path_of(name)
        with self._lock:
            keys = [_key(name, variant, path) for variant in _VARIANTS]
            opened = [self._open[key] for key in keys if key in self._open]
            if any(project.worker.is_busy for project in opened):
                raise RequestError(409, "masks are being made for this video; cancel that first")
            for project in opened:
                self._open.pop(project.key).close()
            for key in keys:
                shutil.rmtree(self.data_folder / "projects" / key, ignore_errors=True)
            shutil.rmtree(path.parent, ignore_errors=True)

    def _remove_broken_uploads(self) -> None:
        """Remove what uploads have left that ended with a killed studio."""
        oldest = time.time() - 2 * self.settings.upload_seconds
        for folder in (self.data_folder / "uploads").glob(f"{_PARTIAL}*"):
            with suppress(OSError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder)

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for project in self._open.values():
                project.worker.cancel()
            for project in self._open.values():
                project.close()
            self._open.clear()
            for stages in self._stages.values():
                stages.close()
            self._stages.clear()

    def _prepare(self) -> None:
        """Load the default pipeline while the person looks at the video."""
        try:
            self.stages("").prepare()
        # Whoever needs the stages gets the same error.
        except VideosegError as error:
            _log.debug("the default pipeline cannot be built: %s", error)

    def _close_idle(self) -> None:
        idle = [key for key, one in self._open.items() if not one.worker.is_busy]
        while len(self._open) > _MOST_OPEN and len(idle) > 1:
            self._open.pop(idle.pop(0)).close()

    def _path_of(self, name: str) -> Path:
        if name.startswith("upload:"):
            return resolve_video(self.data_folder / "uploads", name.removeprefix("upload:"))
        return resolve_video(self.settings.folder, name)


def is_picture_folder(folder: Path) -> bool:
    """Return whether a folder is a video itself: it holds pictures, and no video file."""
    suffixes = {path.suffix.lower() for path in folder.iterdir() if not path.name.startswith(".")}
    return bool(suffixes & _PICTURES) and not suffixes & _SUFFIXES


def _key(name: str, variant: str, path: Path) -> str:
    """Return the key of a project: another one once another video has taken the name."""
    if path.is_dir():
        size = sum(one.suffix.lower() in _PICTURES for one in path.iterdir())
    else:
        size = path.stat().st_size
    return hashlib.sha256(f"{name}\n{variant}\n{size}".encode()).hexdigest()[:20]


def _find_videos(root: Path) -> Iterator[str]:
    """Yield video files and folders of pictures, by their path inside a folder."""
    seen = 0
    for place, folders, files in os.walk(root):
        folder = Path(place)
        depth = len(folder.relative_to(root).parts)
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        if depth >= _DEEPEST:
            folders.clear()
        for name in files:
            seen += 1
            found = (folder / name).relative_to(root).as_posix()
            if Path(name).suffix.lower() in _SUFFIXES and is_allowed(found):
                yield found
        pictures = sum(Path(name).suffix.lower() in _PICTURES for name in files[:500])
        if depth and pictures > 1 and is_allowed(folder.relative_to(root).as_posix()):
            yield folder.relative_to(root).as_posix()
        if seen > _MOST_SEEN:
            return
