"""Save and load results: ``result.json``, ``masks/``, ``overlay.mp4``, ``report.html``."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from videoseg._ahead import map_ahead
from videoseg.errors import ConfigError, OutputError, VideoError, VideosegError
from videoseg.files import expand_path, read_text, recover_folder, staged_folder
from videoseg.results.colors import choose_colors
from videoseg.results.mask_files import write_mask
from videoseg.results.overlay import FILL_OPACITY, ON_BLACK, clip_rate, draw_masks
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import PictureBook
from videoseg.text import format_list, parse_json, shorten, shorten_text, show_path, well_formed
from videoseg.types import BoolArray, Frame, VideoSource, from_dict, to_dict

__all__ = [
    "EXPORTS",
    "FORMAT",
    "PARTS",
    "SCHEMA_VERSION",
    "check_tracks",
    "load_result",
    "save_result",
    "usable_video",
    "why_not_replaceable",
]

_logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
"""The version of ``result.json`` that this release writes, and the newest it reads."""

PARTS: tuple[str, ...] = ("masks", "overlay", "report")
"""The optional parts of a result folder, beside ``result.json``."""

FORMAT = "videoseg-result"
"""What ``result.json`` says it is."""

EXPORTS = "exports"
"""The folder in a result's folder that ``videoseg`` exports it to, and replaces with it."""

_RESULT, _MASKS, _REPORT = "result.json", "masks", "report.html"
_OVERLAY, _PICTURE = "overlay.mp4", "overlay.png"


def save_result(
    segmentation: Segmentation,
    directory: str | Path,
    *,
    overwrite: bool = False,
    video: VideoSource | None = None,
    parts: Sequence[str] | None = None,
) -> Path:
    """Write a result folder atomically.

    The video is decoded once from the first to the last frame, with a few frames and the small
    pictures of the report in memory; before, a few frames are read to choose the colors of the
    masks. Without a video (such as for a loaded result) the overlay
    and the report show the masks on black.

    Args:
        segmentation: The result.
        directory: Where to write; missing parents are created.
        overwrite: Replace an existing result. At every moment either the old or the new result
            is complete. A folder with other files in it is never replaced.
        video: The video; by default that of the run.
        parts: The ``PARTS`` to write beside ``result.json``; all by default.

    Returns:
        The folder.

    Raises:
        OutputError: If the folder exists, cannot be written or the disk is full, or the
            video is not that of the result.
        ConfigError: If a part does not exist.
        VideoError: If a frame cannot be decoded.

    Example:
        >>> import tempfile
        >>> from videoseg.types import Grounding, Trace, VideoFacts
        >>> facts = VideoFacts("clip", None, 1, (4, 6), 25.0, 0.04, "arrays")
        >>> empty = Segmentation("a dog", facts, Grounding(None), Trace(), ())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = save_result(empty, folder + "/out", parts=())
        ...     load_result(saved) == empty
        True
    """
    began = time.perf_counter()
    chosen = _check_parts(parts)
    frames = usable_video(segmentation, video) if chosen - {"masks"} else None
    check_tracks(segmentation)
    _document(segmentation)
    share = 0.0
    target = expand_path(directory)
    with staged_folder(
        target,
        overwrite=overwrite,
        what="the result",
        replaceable=why_not_replaceable,
        progress=lambda: share,
    ) as stage:
        for done in _write_parts(stage, segmentation, frames, chosen):
            share = done / segmentation.video.num_frames
        # Last, since it also says how long the rest took.
        saved = _with_saving(segmentation, time.perf_counter() - began)
        (stage / _RESULT).write_text(_document(saved), encoding="utf-8")
    _logger.info("saved %s in %.2f s", target, time.perf_counter() - began)
    return target


def _with_saving(segmentation: Segmentation, seconds: float) -> Segmentation:
    """Return a result whose times include that of saving it."""
    times = dict(segmentation.timings)
    # One that is saved again has the time of the last saving.
    answering = times.get("total", 0.0) - times.get("saving", 0.0)
    times |= {"saving": seconds, "total": answering + seconds}
    return replace(segmentation, timings=times)


def load_result(directory: str | Path) -> Segmentation:
    """Read a result folder. The result equals the one that was saved.

    Only ``result.json`` is read, as untrusted data: every field and every mask is checked. Of a
    live source it is ``masks.jsonl``, which may still be written to.
    ``source`` is None, since the video may have moved.

    Raises:
        OutputError: If the folder has no result, or the result cannot be read.
    """
    target = expand_path(directory)
    path = target / _RESULT if target.name != _RESULT else target
    from videoseg.results.live import LIVE_FILE, load_live

    try:
        recover_folder(path.parent)
        if not path.exists() and (path.parent / LIVE_FILE).is_file():
            return load_live(path.parent)
        text = read_text(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OutputError(
            f"{show_path(target)} holds no videoseg result ({_RESULT} is missing); give a "
            "folder that result.save() or `videoseg run` has written"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot read {show_path(path)}: {error.strerror or error}; check the file"
        ) from error
    data = _parse_document(text, path)
    try:
        segmentation = from_dict(Segmentation, data)
        check_tracks(segmentation)
        return segmentation
    except VideosegError as error:
        raise OutputError(
            f"{show_path(path)} is damaged: {_summarize_problems(error)}; restore it from a copy "
            "or run the query again"
        ) from error


def usable_video(segmentation: Segmentation, video: VideoSource | None) -> VideoSource | None:
    """Return the video with the frames of a result: the given one, or that of the run.

    Returns:
        The video, or None if there is none or it was a live source.

    Raises:
        OutputError: If the given video is not that of the result, or that of the run has been
            closed.
    """
    if video is None:
        source = segmentation.source
        try:
            return source if source is not None and source.num_frames is not None else None
        except VideoError as error:
            raise OutputError(
                f"the frames for overlay and report cannot be read ({error}); save the result "
                "before closing its video, pass video=, or save only masks: parts=['masks']"
            ) from error
    facts = segmentation.video
    if video.num_frames != facts.num_frames or tuple(video.size) != tuple(facts.size):
        raise OutputError(
            f"the result is for {facts.num_frames} frames of {facts.size[1]}x{facts.size[0]} "
            f"({facts.name}), but the video given has {video.num_frames} of "
            f"{video.size[1]}x{video.size[0]} ({video.name}); pass the video of the run"
        )
    return video


def _check_parts(parts: Sequence[str] | None) -> frozenset[str]:
    if parts is None:
        return frozenset(PARTS)
    given = [parts] if isinstance(parts, str) else list(parts)
    if unknown := sorted(set(given) - set(PARTS)):
        raise ConfigError(
            f"a result has no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}"
        )
    return frozenset(given)


def check_tracks(segmentation: Segmentation) -> None:
    """Check that each object has one track, with an entry for every frame.

    Raises:
        OutputError: If not.
    """
    facts = segmentation.video
    ids = segmentation.object_ids
    if twice := [object_id for object_id in ids if ids.count(object_id) > 1]:
        raise OutputError(f"two tracks belong to object {twice[0]}; object ids must be unique")
    for track in segmentation.tracks:
        if len(track) != facts.num_frames or tuple(track.size) != tuple(facts.size):
            raise OutputError(
                f"the track of object {track.object_id} has {len(track)} masks of "
                f"{track.size[1]}x{track.size[0]}, but the video has {facts.num_frames} frames "
                f"of {facts.size[1]}x{facts.size[0]}; a track needs one entry for every frame"
            )


def _document(segmentation: Segmentation) -> str:
    try:
        content: dict[str, Any] = to_dict(segmentation)
    except ConfigError as error:
        raise OutputError(f"the result cannot be written: {_summarize_problems(error)}") from error
    head = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
    return well_formed(json.dumps(head | content, ensure_ascii=False, indent=1)) + "\n"


def _parse_document(text: str, path: Path) -> dict[str, Any]:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise OutputError(
            f"{show_path(path)} is not valid JSON ({error}); restore it from a copy or run the "
            "query again"
        ) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise OutputError(
            f"{show_path(path)} was not written by videoseg (no format {FORMAT!r}); give a "
            "folder that result.save() or `videoseg run` has written"
        )
    version = data.get("schema_version")
    if type(version) is not int or version < 1:
        raise OutputError(
            f"{show_path(path)} is damaged: schema_version is {shorten(version)}, not a number "
            f"from 1 to {SCHEMA_VERSION}; restore it from a copy or run the query again"
        )
    if version > SCHEMA_VERSION:
        raise OutputError(
            f"{show_path(path)} was written by a newer videoseg (schema_version "
            f"{shorten(version)}; this one reads up to {SCHEMA_VERSION}); run: "
            "pip install --upgrade videoseg"
        )
    return data


def why_not_replaceable(folder: Path) -> str | None:
    """Return why a folder is not a result that may be replaced, or None if it is one."""
    known = {_RESULT, _MASKS, _OVERLAY, _PICTURE, _REPORT, EXPORTS}
    if foreign := sorted(entry.name for entry in folder.iterdir() if entry.name not in known):
        return f"it holds files that are not part of a result ({format_list(foreign, 3)})"
    try:
        _parse_document(read_text(folder / _RESULT), folder / _RESULT)
    except OSError:
        return f"it holds no readable {_RESULT}, so it may not be a result"
    except OutputError as error:
        return f"its {_RESULT} is not one of this videoseg ({error})"
    if (folder / _MASKS).is_dir() and (foreign := _foreign_in_masks(folder / _MASKS)):
        return f"it holds files that are not part of a result ({format_list(foreign, 3)})"
    return None


def _foreign_in_masks(folder: Path) -> list[str]:
    foreign = []
    for entry in sorted(folder.iterdir()):
        files = list(entry.iterdir()) if entry.is_dir() and entry.name.isdecimal() else [entry]
        foreign += [
            str(file.relative_to(folder.parent))
            for file in files
            if file is entry or file.suffix != ".png" or not file.stem.isdecimal()
        ]
    return foreign


def _summarize_problems(error: VideosegError) -> str:
    """Return the first few problems, of possibly thousands, as one line."""
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return "; ".join(shorten_text(problem, 300) for problem in problems[:3]) + more


def _write_parts(
    stage: Path, segmentation: Segmentation, video: VideoSource | None, parts: frozenset[str]
) -> Iterator[int]:
    """Write the parts in one pass over the frames; yield the number of frames done."""
    from PIL import Image

    from videoseg.results.report.page import render_report, report_pictures
    from videoseg.video import VideoWriter

    colors = choose_colors(segmentation, video) if parts - {"masks"} else {}
    book = PictureBook(report_pictures(segmentation) if "report" in parts else {}, colors)
    is_picture = segmentation.video.num_frames == 1
    if "masks" in parts:
        (stage / _MASKS).mkdir()
        for object_id in segmentation.object_ids:
            (stage / _MASKS / str(object_id)).mkdir()
    labels = {track.object_id: track.label for track in segmentation.tracks}
    opacity = ON_BLACK if video is None else FILL_OPACITY
    with contextlib.ExitStack() as stack:
        writer: VideoWriter | None = None
        if "overlay" in parts and not is_picture:
            fps, times = clip_rate(segmentation.video, video, segmentation.frames)
            writer = stack.enter_context(
                VideoWriter(stage / _OVERLAY, fps, timestamps=times, fast=True)
            )

        def draw(item: tuple[int, Frame]) -> tuple[int, Frame, dict[int, BoolArray], Frame | None]:
            index, frame = item
            masks = {track.object_id: track.mask(index) for track in segmentation.tracks}
            if "masks" in parts:
                for object_id, mask in masks.items():
                    write_mask(stage / _MASKS / str(object_id) / f"{index:05d}.png", mask)
            if "overlay" not in parts:
                return index, frame, masks, None
            drawn = draw_masks(frame, masks, labels=labels, opacity=opacity, colors=colors)
            return index, frame, masks, drawn

        # Frames are drawn while those before them are encoded, which takes about as long.
        needed = _needed_frames(segmentation, video, parts, book)
        pages = map_ahead(draw, ((index, _keepable(frame)) for index, frame in needed))
        for index, frame, masks, drawn in stack.enter_context(contextlib.closing(pages)):
            if writer is not None and drawn is not None:
                writer.write(drawn)
            elif drawn is not None:
                Image.fromarray(drawn).save(stage / _PICTURE)
            book.add(index, frame, masks)
            yield index + 1
    if "report" in parts:
        overlay = stage / _OVERLAY if writer is not None else None
        page = render_report(segmentation, book, on_black=video is None, overlay=overlay)
        (stage / _REPORT).write_text(well_formed(page), encoding="utf-8")


def _keepable(frame: Frame) -> Frame:
    # A source may use the memory of its frames again, unless it lets nobody write to them.
    return frame.copy() if frame.flags.writeable else frame


def _needed_frames(
    segmentation: Segmentation,
    video: VideoSource | None,
    parts: frozenset[str],
    book: PictureBook,
) -> Iterator[tuple[int, Frame]]:
    answered = segmentation.frames
    if video is not None and "overlay" in parts:
        for index, frame in video.iter_frames(answered.start, answered.stop):
            if index in answered:
                yield index, frame
        return
    black: Frame = np.zeros((*segmentation.video.size, 3), np.uint8)
    black.flags.writeable = False
    every = answered if parts & {"masks", "overlay"} else book.indices
    for index in every:
        # Masks need no pixels; without an overlay only the frames of the report are decoded.
        yield index, black if video is None or index not in book else video[index]
