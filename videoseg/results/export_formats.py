"""Export masks in the formats of other tools and benchmarks.

=============== =====================================================================
``png``         ``<directory>/<sequence>/<object id>/<frame>.png``, 0 and 255
``davis``       ``<directory>/Annotations/<sequence>/<frame>.png``, object ids as
                colors of the DAVIS palette
``youtube-vos`` the same pictures, and ``<directory>/meta.json`` with each object's
                category and the frames that show it
``coco``        ``<directory>/<sequence>.json``: one annotation for each object with a
                list of ``segmentations`` (COCO RLE), ``bboxes`` (x, y, width, height)
                and ``areas``, one entry for each frame, null where it is not visible
=============== =====================================================================

A picture of object ids has one object per pixel: where masks overlap, the smaller object is on
top, and of two equally large ones the one with the lower id. PNG and COCO keep overlaps.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path, read_text, shorten_name, staged_folder, write_file
from videoseg.masks import index_map
from videoseg.results.mask_files import index_png, write_mask
from videoseg.results.segmentation import Segmentation
from videoseg.text import parse_json, shorten
from videoseg.types import VideoFacts

__all__ = ["EXPORT_FORMATS", "ExportFormat", "check_format", "export", "frame_names_of"]

ExportFormat: TypeAlias = Literal["png", "coco", "davis", "youtube-vos"]

EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
"""The formats of ``export``."""

# File systems allow 255; the suffix and the name of a temporary file need some.
_MAX_NAME_BYTES = 200


def export(
    segmentation: Segmentation,
    directory: str | Path,
    *,
    format: ExportFormat = "png",  # noqa: A002
    sequence: str | None = None,
    frame_names: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the masks of a result in another format.

    Several videos can share a directory. Masks are decoded one frame at a time.

    Args:
        segmentation: The result.
        directory: The root folder of the export; created if missing.
        format: One of ``png``, ``coco``, ``davis``, ``youtube-vos``.
        sequence: Name of this video in the export; by default the name of the video.
        frame_names: A name for each frame, without suffix. By default the names of the pictures
            if the video is a folder of pictures, else ``00000``, ``00001`` and so on.
        overwrite: Replace an earlier export of this sequence.

    Returns:
        The folder of the sequence; for COCO the file.

    Raises:
        ConfigError: If the format, the sequence or the frame names are invalid, or an object id
            is too large for an index picture.
        OutputError: If the folder or file exists or cannot be written.
    """
    check_format(format)
    root = expand_path(directory)
    name = _choose_sequence(segmentation.video, sequence)
    names = _choose_names(segmentation.video, frame_names)
    _check_lengths(segmentation)
    if format == "coco":
        return _export_coco(segmentation, root / f"{name}.json", name, names, overwrite=overwrite)
    if format != "png":
        _check_ids(segmentation)
    parent, write = _PICTURE_WRITERS[format]
    folder = root / parent / name
    # Read before writing, so that an invalid meta.json stops the export at once.
    meta = _read_meta(root / "meta.json") if format == "youtube-vos" else {}
    share = 0.0
    with staged_folder(
        folder,
        overwrite=overwrite,
        what="the export",
        replaceable=_why_not_pictures,
        progress=lambda: share,
    ) as stage:
        for done in write(segmentation, stage, names):
            share = done / len(names)
    if format == "youtube-vos":
        meta["videos"][name] = {
            "objects": {
                str(track.object_id): {
                    "category": track.label or "object",
                    "frames": [names[frame] for frame in track.visible_frames],
                }
                for track in segmentation.tracks
            }
        }
        write_file(root / "meta.json", json.dumps(meta, ensure_ascii=False, indent=1))
    return folder


def check_format(name: str) -> None:
    """Check that a format exists, before any work is done.

    Raises:
        ConfigError: If it does not exist; the message lists the formats.
    """
    if name not in EXPORT_FORMATS:
        raise ConfigError(
            f"cannot export as {name!r}; the formats are {', '.join(EXPORT_FORMATS)}"
        )


def frame_names_of(video: VideoFacts) -> list[str]:
    """Return the names of the frames for files, without suffix.

    These are the names of the pictures if the video is a folder that still has one picture for
    each frame, else five-digit numbers.
    """
    from videoseg.video import images_in

    try:
        stems = [] if video.path is None else [path.stem for path in images_in(Path(video.path))]
    except (OSError, ValueError):
        # A file, or a path on another machine.
        stems = []
    if len(stems) == video.num_frames and len(set(stems)) == len(stems):
        return stems
    return [f"{frame:05d}" for frame in range(video.num_frames)]


def _write_pngs(segmentation: Segmentation, stage: Path, names: Sequence[str]) -> Iterator[int]:
    for track in segmentation.tracks:
        (stage / str(track.object_id)).mkdir()
    for frame, name in enumerate(names):
        for track in segmentation.tracks:
            write_mask(stage / str(track.object_id) / f"{name}.png", track.mask(frame))
        yield frame + 1


def _write_index_pngs(
    segmentation: Segmentation, stage: Path, names: Sequence[str]
) -> Iterator[int]:
    size = segmentation.video.size
    for frame, name in enumerate(names):
        masks = {
            track.object_id: track.mask(frame)
            for track in segmentation.tracks
            if track.masks[frame] is not None
        }
        (stage / f"{name}.png").write_bytes(index_png(index_map(masks, size)))
        yield frame + 1


# The folder of the sequences, and the function that writes one.
_PICTURE_WRITERS = {
    "png": ("", _write_pngs),
    "davis": ("Annotations", _write_index_pngs),
    "youtube-vos": ("Annotations", _write_index_pngs),
}


def _export_coco(
    segmentation: Segmentation, path: Path, name: str, names: Sequence[str], *, overwrite: bool
) -> Path:
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} already exists; choose another folder or pass overwrite=True")
    facts = segmentation.video
    shape = {"width": facts.size[1], "height": facts.size[0], "length": facts.num_frames}
    labels = sorted({track.label or "object" for track in segmentation.tracks})
    scores = {prompt.object_id: prompt.score for prompt in segmentation.grounding.prompts}
    annotations = []
    for track in segmentation.tracks:
        boxes = [None if rle is None else rle.box for rle in track.masks]
        annotations.append(
            {
                "id": track.object_id,
                "video_id": 1,
                "category_id": labels.index(track.label or "object") + 1,
                "iscrowd": 0,
                "score": scores.get(track.object_id),
                **shape,
                "segmentations": [None if rle is None else rle.to_coco() for rle in track.masks],
                "bboxes": [box and [box.x1, box.y1, box.width, box.height] for box in boxes],
                "areas": [None if rle is None else rle.area for rle in track.masks],
            }
        )
    document: dict[str, Any] = {
        "info": {"description": segmentation.query, "contributor": "videoseg"},
        "videos": [{"id": 1, "name": name, **shape, "fps": facts.fps, "file_names": list(names)}],
        "categories": [{"id": place, "name": text} for place, text in enumerate(labels, 1)],
        "annotations": annotations,
    }
    write_file(path, json.dumps(document, ensure_ascii=False))
    return path


def _read_meta(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        return {"videos": {}}
    try:
        meta = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot read {path}: {reason}; choose another folder") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("videos"), dict):
        raise OutputError(
            f"{path} is not a meta.json of YouTube-VOS (no mapping 'videos'); "
            "choose another folder"
        )
    return meta


def _why_not_pictures(folder: Path) -> str | None:
    """Return why a folder is not an earlier export that may be replaced, or None if it is one."""
    for entry in sorted(folder.iterdir()):
        files = sorted(entry.iterdir()) if entry.is_dir() and entry.name.isdecimal() else [entry]
        for file in files:
            if file.suffix != ".png" or not file.is_file():
                return f"it holds files that are not part of an export ({file.name})"
    return None


def _choose_sequence(video: VideoFacts, sequence: str | None) -> str:
    if sequence is None:
        # The name of a video is untrusted; the folder must not lead out of the root.
        cleaned = "".join("_" if letter in '/\\:*?"<>|\0' else letter for letter in video.name)
        return shorten_name(cleaned.strip(". "), _MAX_NAME_BYTES) or "video"
    _check_plain(sequence, f"the sequence {shorten(sequence)} is used as a folder name")
    return sequence


def _choose_names(video: VideoFacts, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return frame_names_of(video)
    names = list(names)
    if len(names) != video.num_frames or len(set(names)) != len(names):
        raise ConfigError(
            f"frame_names needs {video.num_frames} distinct names, one for each frame, "
            f"got {len(names)} with {len(set(names))} distinct ones"
        )
    for name in names:
        _check_plain(name, f"the frame name {shorten(name)} is used as a file name")
    return names


def _check_plain(name: object, use: str) -> None:
    try:
        fits = isinstance(name, str) and 0 < len(os.fsencode(name)) <= _MAX_NAME_BYTES
    except UnicodeEncodeError:
        fits = False
    if not fits or str(name).startswith(".") or set(str(name)) & set("/\\\0"):
        raise ConfigError(
            f"{use}: it must be text, not empty or too long, and not start with a dot or "
            "contain a slash"
        )


def _check_lengths(segmentation: Segmentation) -> None:
    for track in segmentation.tracks:
        if len(track) != segmentation.video.num_frames:
            raise OutputError(
                f"the track of object {track.object_id} has {len(track)} masks, but the video "
                f"has {segmentation.video.num_frames} frames; a track needs one entry for each"
            )


def _check_ids(segmentation: Segmentation) -> None:
    if large := [object_id for object_id in segmentation.object_ids if object_id > 255]:
        raise ConfigError(
            f"object ids of an index picture are 1 to 255, got {large[0]}; "
            "export as png or coco instead"
        )
