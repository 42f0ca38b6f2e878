"""Exports of a project, packed for download."""

from __future__ import annotations

import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from videoseg.errors import ConfigError
from videoseg.files import make_folder
from videoseg.results import EXPORT_FORMATS, check_format, export
from videoseg_studio.editing import EditSession, make_result

__all__ = ["FORMATS", "export_project"]

# Archives of a project that are kept; each may hold all frames.
_MOST_ARCHIVES = 3

FORMATS = ("result", *EXPORT_FORMATS)
"""What a project can be exported as: ``result`` is the folder of a result, with its report."""


def export_project(session: EditSession, name: str, format_name: str, *, frames: bool) -> Path:
    """Write a project in one format, and return the archive.

    Args:
        session: The project.
        name: What the video is called.
        format_name: One of ``FORMATS``.
        frames: With ``coco``: whether the frames are written as well.

    Returns:
        A zip file in the folder ``exports`` of the project. An earlier one of the format is
        replaced; of other formats the two newest are kept.

    Raises:
        ConfigError: If the format is unknown, or there is no mask.
        VideosegError: If it cannot be written.
    """
    if format_name != "result":
        check_format(format_name)
    result = make_result(session)
    if not result.found:
        raise ConfigError("there is no mask to export yet; ask a question, or click on an object")
    folder = session.folder / "exports"
    make_folder(folder)
    _tidy(folder)
    sequence = re.sub(r"[^\w.-]+", "_", Path(name).stem).strip("._") or "video"
    with TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary) / f"{sequence}-{format_name}"
        if format_name == "result":
            result.save(root)
        else:
            # The formats with frames write them in any case.
            with_frames = frames and format_name == "coco"
            export(result, root, format=format_name, sequence=sequence, frames=with_frames)  # type: ignore[arg-type]
        packed = Path(temporary) / "export.zip"
        _pack(root, packed)
        archive = folder / f"{root.name}.zip"
        shutil.move(packed, archive)
    _remove_oldest(folder)
    return archive


def _tidy(folder: Path) -> None:
    """Remove what a studio that was killed has left; a project has one export at a time."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _remove_oldest(folder: Path) -> None:
    archives = sorted(folder.glob("*.zip"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-_MOST_ARCHIVES]:
        # On Windows a file that is being sent stays until the next time.
        with suppress(OSError):
            path.unlink()


def _pack(root: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.name.endswith(".lock"):
                packed.write(path, path.relative_to(root.parent))
