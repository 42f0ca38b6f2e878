"""Masks as pictures: one for each object, or index pictures with the palette of DAVIS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videoseg.errors import ConfigError, OutputError
from videoseg.files import write_file
from videoseg.masks import index_map
from videoseg.results.exports.job import ExportJob, category_of
from videoseg.results.exports.shared import read_document
from videoseg.results.mask_files import index_png, write_mask
from videoseg.text import show_path

__all__ = ["export_davis", "export_png", "export_youtube_vos"]


def export_png(job: ExportJob) -> Path:
    """Write ``<sequence>/<object id>/<frame>.png`` with the values 0 and 255."""
    tracks = job.segmentation.tracks
    folder = job.root / job.sequence
    with job.folder(folder, [".png"]) as (stage, tell):
        for track in tracks:
            (stage / str(track.object_id)).mkdir()
        for frame, name in job.named_frames:
            for track in tracks:
                write_mask(stage / str(track.object_id) / f"{name}.png", track.mask(frame))
            tell(frame + 1)
    return folder


def export_davis(job: ExportJob) -> Path:
    """Write ``Annotations/<sequence>/<frame>.png`` with object ids as colors."""
    _check_ids(job)
    folder = job.root / "Annotations" / job.sequence
    with job.folder(folder, [".png"]) as (stage, tell):
        for frame, name in job.named_frames:
            masks = {
                track.object_id: track.mask(frame)
                for track in job.segmentation.tracks
                if track.masks[frame] is not None
            }
            picture = index_png(index_map(masks, job.facts.size))
            (stage / f"{name}.png").write_bytes(picture)
            tell(frame + 1)
    return folder


def export_youtube_vos(job: ExportJob) -> Path:
    """Write the pictures of ``davis``, and the ``meta.json`` that lists objects and frames."""
    path = job.root / "meta.json"
    # Read before writing, so that an invalid meta.json stops the export at once.
    job.shared.read_once(path, _read_meta)
    folder = export_davis(job)
    objects = {
        str(track.object_id): {
            "category": category_of(track),
            "frames": [job.frame_names[frame] for frame in track.visible_frames],
        }
        for track in job.segmentation.tracks
    }
    job.shared.add(path, job.sequence, {"objects": objects}, _add_to_meta)
    return folder


def _add_to_meta(path: Path, videos: Mapping[str, Any]) -> None:
    meta = _read_meta(path)
    meta["videos"].update(videos)
    write_file(path, json.dumps(meta, ensure_ascii=False, indent=1))


def _read_meta(path: Path) -> dict[str, Any]:
    what = "a meta.json of YouTube-VOS (a mapping with 'videos')"
    meta = read_document(path, ["videos"], what) or {"videos": {}}
    if not isinstance(meta["videos"], dict):
        raise OutputError(f"{show_path(path)} is not {what}; choose another folder")
    return meta


def _check_ids(job: ExportJob) -> None:
    if large := [each for each in job.segmentation.object_ids if each > 255]:
        raise ConfigError(
            f"object ids of an index picture are 1 to 255, got {large[0]}; "
            "export as png or coco instead"
        )
