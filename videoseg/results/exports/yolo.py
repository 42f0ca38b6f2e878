"""Polygons and frames for YOLO's segmentation models."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.files import read_text, write_file
from videoseg.masks import joined_outline
from videoseg.results.exports.job import ExportJob, category_of
from videoseg.results.exports.shared import sharing
from videoseg.text import show_path

__all__ = ["export_yolo"]


# Readers find the labels of a picture by replacing the last "/images/" of its path.
_RESERVED = "images"

# In pixels, more than six digits lose: readers round or cut off, and must get the same pixel.
_MARGIN = 0.05


def export_yolo(job: ExportJob) -> Path:
    """Write ``images/<sequence>``, ``labels/<sequence>`` and the ``data.yaml`` that all share.

    A line of a label file is an object: its class, and one polygon through the middles of pixels,
    with coordinates as shares of the frame's sides. Parts and holes of a mask are joined by lines
    of no width, as YOLO has one polygon for an object. A sequence of the name ``images`` becomes
    ``images_``, as readers would not find its labels.
    """
    job.require_video("YOLO")
    if job.sequence == _RESERVED:
        job = replace(job, sequence=f"{_RESERVED}_")
    path = job.root / "data.yaml"
    height, width = job.facts.size
    pictures, labels = (job.root / kind / job.sequence for kind in ("images", "labels"))
    # Pictures appear last: those without labels would be taken for pictures of nothing.
    with (
        job.folder(pictures, [".jpg"]) as (picture_stage, tell_pictures),
        job.folder(labels, [".txt"]) as (stage, tell),
    ):
        job.write_frames(picture_stage, tell_pictures)
        # Before the labels appear, so that no other video gets the numbers of their classes.
        names = _add_names(path, job)
        for frame, name in job.named_frames:
            lines = []
            for track, rle, _ in job.shown(frame):
                outline = (joined_outline(rle.decode()) + _MARGIN) / (width, height)
                place = names.index(category_of(track))
                lines.append(f"{place} " + " ".join(f"{value:.6f}" for value in outline.ravel()))
            text = "".join(f"{line}\n" for line in lines)
            (stage / f"{name}.txt").write_text(text, encoding="utf-8")
            tell(frame + 1)
    return path


def _add_names(path: Path, job: ExportJob) -> list[str]:
    """Add the names of a video to ``data.yaml``; return all, in the order of their numbers."""
    import yaml

    with sharing(path):
        # Without a "path", readers start at the folder of the file; "." would be theirs.
        document = {"train": "images", "val": "images", **_read_document(path)}
        names = list(document.pop("names", []))
        for label in map(category_of, job.segmentation.tracks):
            if label not in names:
                names.append(label)
        document["names"] = dict(enumerate(names))
        write_file(path, yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return names


def _read_document(path: Path) -> dict[str, Any]:
    """Return what ``data.yaml`` has, with its names in a list; nothing if there is no file.

    Raises:
        OutputError: If it is not such a file.
    """
    import yaml

    if not os.path.lexists(path):
        return {}
    try:
        document: Any = yaml.safe_load(read_text(path))
        names = document["names"]
        if isinstance(names, dict):
            names = [names[number] for number in range(len(names))]
        return {**document, "names": [str(name) for name in names]}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise OutputError(
            f"{show_path(path)} is not a data.yaml of YOLO ('names', numbered from 0); choose "
            "another folder"
        ) from error
