"""An export of a result as a ZIP archive; work of a worker, since it decodes the video again."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from videoseg.files import make_folder

if TYPE_CHECKING:
    from videoseg.results import ExportFormat

__all__ = ["ExportWork", "write_archive"]


@dataclass(frozen=True, slots=True)
class ExportWork:
    """What a worker needs for an export.

    Args:
        format: The format.
        video: The path of the video.
        video_name: What messages call it.
        result: The folder of the result.
        archive: The archive to write.
        scratch: A folder for temporary files, which is made and deleted.
    """

    format: ExportFormat
    video: Path
    video_name: str
    result: Path
    archive: Path
    scratch: Path


def write_archive(work: ExportWork) -> None:
    """Export a result into an archive, which appears when it is complete.

    Raises:
        VideosegError: If result or video cannot be read, or the archive cannot be written.
    """
    from videoseg.results import export, load_result
    from videoseg.video import Video

    place, partial = work.scratch / "export", work.scratch / "export.zip"
    make_folder(work.scratch)
    try:
        with Video.open(work.video) as video:
            export(load_result(work.result), place, format=work.format, video=video)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(place.rglob("*")):
                if path.is_file():
                    file.write(path, path.relative_to(place))
        make_folder(work.archive.parent)
        partial.replace(work.archive)
    finally:
        shutil.rmtree(work.scratch, ignore_errors=True)
