"""Polygons and frames for YOLO's segmentation models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.files import read_text, write_file
from videoseg.masks import joined_outline
from videoseg.results.exports.job import ExportJob
from videoseg.text import show_path

__all__ = ["export_yolo"]


def export_yolo(job: ExportJob) -> Path:
    """Write ``images/<sequence>``, ``labels/<sequence>`` and the ``data.yaml`` that all share.

    A line of a label file is an object: its class, and one polygon with coordinates as shares of
    the frame's sides. Parts and holes of a mask are joined by lines of no width, as YOLO has one
    polygon for an object.
    """
    job.require_video("YOLO")
    path = job.root / "data.yaml"
    names = _read_names(path)
    for track in job.segmentation.tracks:
        if (label := track.label or "object") not in names:
            names.append(label)
    height, width = job.facts.size
    with job.folder(job.root / "labels" / job.sequence, [".txt"]) as (stage, tell):
        for frame, name in enumerate(job.frame_names):
            lines = []
            for track, rle, _ in job.shown(frame):
                outline = joined_outline(rle.decode()) / (width, height)
                place = names.index(track.label or "object")
                lines.append(f"{place} " + " ".join(f"{value:.6f}" for value in outline.ravel()))
            text = "".join(f"{line}\n" for line in lines)
            (stage / f"{name}.txt").write_text(text, encoding="utf-8")
            tell(frame + 1)
    folder = job.root / "images" / job.sequence
    with job.folder(folder, [".jpg"]) as (stage, tell):
        job.write_frames(stage, tell)
    _write_names(path, names)
    return path


def _read_names(path: Path) -> list[str]:
    import yaml

    if not os.path.lexists(path):
        return []
    try:
        document: Any = yaml.safe_load(read_text(path))
        names = document["names"]
        found = list(names.values()) if isinstance(names, dict) else list(names)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise OutputError(
            f"{show_path(path)} is not a data.yaml of YOLO (no 'names'); choose another folder"
        ) from error
    return [str(name) for name in found]


def _write_names(path: Path, names: list[str]) -> None:
    import yaml

    document = {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": dict(enumerate(names)),
    }
    write_file(path, yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
