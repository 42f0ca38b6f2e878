"""Export masks in the formats of other tools and benchmarks.

================ ====================================================================
``png``          ``<sequence>/<object id>/<frame>.png``, 0 and 255
``davis``        ``Annotations/<sequence>/<frame>.png``, object ids as colors of the
                 DAVIS palette
``youtube-vos``  the same pictures, and ``meta.json`` with each object's category and
                 the frames that show it
``youtube-vis``  ``<sequence>.json``: one annotation for each object, with a list of
                 ``segmentations`` (COCO RLE), ``bboxes`` and ``areas`` over all frames
``coco``         ``annotations/instances_default.json``: one annotation for each
                 object on each frame, with a ``track_id``; all videos in one file
``yolo``         ``data.yaml``, ``images/<sequence>`` and ``labels/<sequence>`` with a
                 polygon for each object
``cvat``         ``<sequence>.xml``: "CVAT for video 1.1", with tracks of polygons
``label-studio`` ``<sequence>.json``: a task for each frame, with brush predictions
``matte``        ``<sequence>``: videos of the masks, of the objects cut out, and with
                 the background blurred
================ ====================================================================

A picture of object ids has one object per pixel: where masks overlap, the smaller object is on
top, and of two equally large ones the one with the lower id. The other formats keep overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from videoseg.errors import ConfigError, VideoError, VideosegError
from videoseg.files import expand_path
from videoseg.results.exports.coco import export_coco, export_youtube_vis
from videoseg.results.exports.job import (
    ExportJob,
    choose_frame_names,
    choose_sequence,
    clean_sequence,
    frame_names_of,
)
from videoseg.results.exports.label_tools import export_cvat, export_label_studio
from videoseg.results.exports.mattes import export_matte
from videoseg.results.exports.pictures import export_davis, export_png, export_youtube_vos
from videoseg.results.exports.shared import SharedChanges
from videoseg.results.exports.yolo import export_yolo
from videoseg.results.folder import check_tracks, usable_video
from videoseg.results.segmentation import Segmentation
from videoseg.text import shorten
from videoseg.types import VideoSource

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "check_format",
    "choose_sequence",
    "clean_sequence",
    "export",
    "export_all",
    "frame_names_of",
]

ExportFormat: TypeAlias = Literal[
    "png",
    "davis",
    "youtube-vos",
    "youtube-vis",
    "coco",
    "yolo",
    "cvat",
    "label-studio",
    "matte",
]

EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
"""The formats of ``export``."""

_WRITERS: Mapping[ExportFormat, Callable[[ExportJob], Path]] = {
    "png": export_png,
    "davis": export_davis,
    "youtube-vos": export_youtube_vos,
    "youtube-vis": export_youtube_vis,
    "coco": export_coco,
    "yolo": export_yolo,
    "cvat": export_cvat,
    "label-studio": export_label_studio,
    "matte": export_matte,
}

_WITH_FRAMES: tuple[ExportFormat, ...] = ("yolo", "label-studio", "matte")


def export(
    segmentation: Segmentation,
    directory: str | Path,
    *,
    format: ExportFormat = "png",  # noqa: A002
    sequence: str | None = None,
    frame_names: Sequence[str] | None = None,
    video: VideoSource | None = None,
    frames: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the masks of a result in another format.

    Several videos can share a directory. Masks are decoded one frame at a time.

    Args:
        segmentation: The result.
        directory: The root folder of the export; created if missing.
        format: One of ``EXPORT_FORMATS``.
        sequence: Name of this video in the export; by default the name of the video.
        frame_names: A name for each frame, without suffix. By default the names of the pictures
            if the video is a folder of pictures, else ``00000``, ``00001`` and so on.
        video: The video, for formats with frames: ``yolo``, ``label-studio``, ``matte``, and
            ``coco`` with ``frames``. By default that of the run, or the file it was read from.
        frames: With ``coco``: write the frames too, to ``images/<sequence>``.
        overwrite: Replace an earlier export of this sequence.

    Returns:
        What was written: a folder, or the file that describes it.

    Raises:
        ConfigError: If the format, the sequence or the frame names are invalid, or an object id
            is too large for an index picture.
        OutputError: If the folder or file exists or cannot be written, or frames are needed and
            cannot be read.
    """
    shared = SharedChanges()
    path = _export(
        segmentation,
        directory,
        format=format,
        sequence=sequence,
        frame_names=frame_names,
        video=video,
        frames=frames,
        overwrite=overwrite,
        shared=shared,
    )
    shared.write()
    return path


def export_all(
    results: Iterable[tuple[str, Segmentation]],
    directory: str | Path,
    *,
    format: ExportFormat = "png",  # noqa: A002
    frames: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write the masks of many results in another format, in time linear in their number.

    Files that all videos share (those of ``coco`` and ``youtube-vos``) are written once, after
    the last result. If the export ends early, they are written with the results before.

    Args:
        results: For each video its own name in the export, and its result. One at a time is taken,
            and not kept, but for its masks if the format has them in a shared file.
        directory: The root folder of the export; created if missing.
        format: One of ``EXPORT_FORMATS``.
        frames: With ``coco``: write the frames too.
        overwrite: Replace earlier exports of these videos.

    Returns:
        What was written for each: a folder, or the file that describes it.

    Raises:
        ConfigError: As for ``export``, or if two videos have the same name.
        OutputError: As for ``export``.
    """
    shared = SharedChanges()
    paths = []
    names: set[str] = set()
    try:
        for sequence, segmentation in results:
            if sequence in names:
                raise ConfigError(
                    f"two results are called {shorten(sequence)} in the export; give each a name "
                    "of its own"
                )
            names.add(sequence)
            path = _export(
                segmentation,
                directory,
                format=format,
                sequence=sequence,
                frames=frames,
                overwrite=overwrite,
                shared=shared,
            )
            paths.append(path)
    finally:
        shared.write()
    return paths


def _export(
    segmentation: Segmentation,
    directory: str | Path,
    *,
    format: ExportFormat,  # noqa: A002
    sequence: str | None,
    frame_names: Sequence[str] | None = None,
    video: VideoSource | None = None,
    frames: bool,
    overwrite: bool,
    shared: SharedChanges,
) -> Path:
    check_format(format)
    if frames and format not in ("coco", *_WITH_FRAMES):
        raise ConfigError(f"{format} has no frames; use frames=True with coco only")
    check_tracks(segmentation)
    needs_frames = frames or format in _WITH_FRAMES
    with ExitStack() as stack:
        if needs_frames and video is None:
            video = _find_video(segmentation, stack)
        job = ExportJob(
            segmentation,
            expand_path(directory),
            choose_sequence(segmentation.video, sequence),
            choose_frame_names(segmentation.video, frame_names),
            None if video is None else usable_video(segmentation, video),
            needs_frames,
            overwrite,
            shared,
        )
        return _WRITERS[format](job)


def _find_video(segmentation: Segmentation, stack: ExitStack) -> VideoSource | None:
    """Return the video of the run, or open it again if it is closed and still where it was."""
    from videoseg.video import Video

    source, path = segmentation.source, segmentation.video.path
    with suppress(VideoError):
        if source is not None and source.num_frames is not None:
            return source
    if path is not None:
        with suppress(VideosegError, OSError):
            return stack.enter_context(Video.open(path))
    return None


def check_format(name: str) -> None:
    """Check that a format exists, before any work is done.

    Raises:
        ConfigError: If it does not exist; the message lists the formats.
    """
    if name not in EXPORT_FORMATS:
        raise ConfigError(
            f"cannot export as {name!r}; the formats are {', '.join(EXPORT_FORMATS)}"
        )
