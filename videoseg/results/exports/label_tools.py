"""Files for labeling tools: CVAT's XML for videos, and tasks of Label Studio."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from videoseg.errors import OutputError
from videoseg.files import read_text, write_file
from videoseg.masks import joined_outline
from videoseg.results.exports.job import ExportJob
from videoseg.results.exports.shared import sharing
from videoseg.text import show_path
from videoseg.types import BoolArray

__all__ = ["encode_brush", "export_cvat", "export_label_studio"]

# XML 1.0 has no others, not even escaped; tabs and ends of lines do not belong in a name.
_NOT_IN_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Widths in bits of the numbers of a run, and of a value, as Label Studio's editor writes them.
_COUNT_BITS = (3, 4, 8, 16)
_VALUE_BITS = 8


def export_cvat(job: ExportJob) -> Path:
    """Write ``<sequence>.xml``, "CVAT for video 1.1": a track of polygons for each object.

    Every frame is a keyframe, so that CVAT has nothing to interpolate. Tracks of masks would be
    exact, but CVAT keeps the first mask of each and drops the others; ``coco`` is read as masks.
    """
    path = job.root / f"{job.sequence}.xml"
    job.check_free(path)
    document = ElementTree.Element("annotations")
    ElementTree.SubElement(document, "version").text = "1.1"
    _add_task(ElementTree.SubElement(document, "meta"), job)
    # CVAT fails at a track without a shape.
    tracks = [track for track in job.segmentation.tracks if any(track.areas)]
    for place, track in enumerate(tracks):
        element = ElementTree.SubElement(
            document, "track", id=str(place), label=_label(track.label), source="automatic"
        )
        masks = [None if rle is None or not rle.area else rle for rle in track.masks]
        for frame, rle in enumerate(masks):
            if rle is None:
                continue
            # The middles of pixels, which CVAT counts from their corners.
            outline = joined_outline(rle.decode()) + 0.5
            points = ";".join(f"{x:.1f},{y:.1f}" for x, y in outline)
            _add_polygon(element, frame, points, outside=False)
            if frame + 1 < len(masks) and masks[frame + 1] is None:
                # A track goes on with its last shape until it is said to be outside.
                _add_polygon(element, frame + 1, points, outside=True)
    ElementTree.indent(document)
    write_file(path, ElementTree.tostring(document, encoding="unicode", xml_declaration=True))
    return path


def _add_task(meta: ElementTree.Element, job: ExportJob) -> None:
    height, width = job.facts.size
    task = ElementTree.SubElement(meta, "task")
    for key, value in (
        ("name", _clean(job.sequence)),
        ("size", job.facts.num_frames),
        ("mode", "interpolation"),
        ("overlap", 0),
        ("start_frame", 0),
        ("stop_frame", job.facts.num_frames - 1),
    ):
        ElementTree.SubElement(task, key).text = str(value)
    labels = ElementTree.SubElement(task, "labels")
    for name in sorted({_label(track.label) for track in job.segmentation.tracks}):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "attributes")
    size = ElementTree.SubElement(task, "original_size")
    ElementTree.SubElement(size, "width").text = str(width)
    ElementTree.SubElement(size, "height").text = str(height)


def _add_polygon(track: ElementTree.Element, frame: int, points: str, *, outside: bool) -> None:
    ElementTree.SubElement(
        track,
        "polygon",
        frame=str(frame),
        outside=str(int(outside)),
        occluded="0",
        keyframe="1",
        points=points,
        z_order="0",
    )


def _runs(mask: BoolArray) -> list[int]:
    """Return the lengths of runs in row-major order, beginning with unset pixels."""
    flat = np.concatenate([[False], mask.ravel(), [not mask.flat[-1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff(ends, prepend=0)]


def _label(label: str) -> str:
    return _clean(label) or "object"


def _clean(text: str) -> str:
    return " ".join(_NOT_IN_XML.sub(" ", text).split())


def export_label_studio(job: ExportJob) -> Path:
    """Write ``<sequence>.json``, a task for each frame with its masks as brush predictions.

    Frames stand in ``images/<sequence>`` and are named as Label Studio's local storage does it,
    with ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`` set to the folder of the export.
    ``labeling.xml`` is the configuration of a project for them, with the labels of all videos.
    """
    path = job.root / f"{job.sequence}.json"
    job.check_free(path)
    job.require_video("Label Studio")
    labeling = job.root / "labeling.xml"
    # Read before writing, so that another file of this name stops the export at once.
    _read_labeling(labeling)
    with job.folder(job.root / "images" / job.sequence, [".jpg"]) as (stage, tell):
        job.write_frames(stage, tell)
    with sharing(labeling):
        names = {_label(track.label) for track in job.segmentation.tracks} or {"object"}
        write_file(labeling, _add_labels(_read_labeling(labeling), sorted(names)))
    write_file(path, _list_tasks(job))
    return path


def _list_tasks(job: ExportJob) -> Iterator[str]:
    """Yield the parts of the file of tasks, so that one task is in memory at a time."""
    before = "["
    for task in _tasks(job):
        yield before + json.dumps(task, ensure_ascii=False)
        before = ",\n"
    yield "]\n"


def _tasks(job: ExportJob) -> Iterator[dict[str, Any]]:
    height, width = job.facts.size
    scores = {prompt.object_id: prompt.score for prompt in job.segmentation.grounding.prompts}
    for frame, name in job.named_frames:
        results = [
            {
                "id": f"{job.sequence}-{frame}-{track.object_id}",
                "type": "brushlabels",
                "from_name": "masks",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": encode_brush(rle.decode()),
                    "brushlabels": [_label(track.label)],
                },
                "meta": {"text": [f"object {track.object_id}"]},
                "score": scores.get(track.object_id),
            }
            for track, rle, _ in job.shown(frame)
        ]
        where = quote(f"images/{job.sequence}/{name}.jpg")
        data = {"image": f"/data/local-files/?d={where}", "video": job.sequence, "frame": frame}
        predictions = [{"model_version": "videoseg", "result": results}] if results else []
        yield {"data": data, "predictions": predictions}


def _read_labeling(path: Path) -> ElementTree.Element:
    """Return the configuration that other videos have written, or a new one without labels.

    Raises:
        OutputError: If there is another file.
    """
    if not os.path.lexists(path):
        view = ElementTree.Element("View")
        ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
        ElementTree.SubElement(view, "BrushLabels", name="masks", toName="image")
        return view
    try:
        view = ElementTree.fromstring(read_text(path))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot read {show_path(path)}: {reason}; choose another folder"
        ) from error
    if view.find("BrushLabels") is None:
        raise OutputError(f"{show_path(path)} has no BrushLabels; choose another folder")
    return view


def _add_labels(view: ElementTree.Element, names: list[str]) -> str:
    labels = view.find("BrushLabels")
    assert labels is not None
    known = {label.get("value") for label in labels.iterfind("Label")}
    for name in names:
        if name not in known:
            ElementTree.SubElement(labels, "Label", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode")


def encode_brush(mask: BoolArray) -> list[int]:
    """Encode a mask as Label Studio's brush does it, as a list of bytes.

    The pixels' four channels, 0 or 255 and row by row, are packed as runs: 32 bits with their
    number, 5 bits with the width of a value less one, 4 times 4 bits with the widths of a run's
    length less one; then for each run a bit 1, 2 bits which width it has, its length less one,
    and its value. The format is that of the npm package ``@thi.ng/rle-pack``.

    Args:
        mask: Shape (H, W).
    """
    bits = [f"{mask.size * 4:032b}", f"{_VALUE_BITS - 1:05b}"]
    bits += [f"{width - 1:04b}" for width in _COUNT_BITS]
    value = 0
    for run in _runs(mask):
        left = run * 4
        while left:
            count = min(left, 1 << _COUNT_BITS[-1])
            which = next(k for k, width in enumerate(_COUNT_BITS) if count <= 1 << width)
            length = f"{count - 1:0{_COUNT_BITS[which]}b}"
            bits.append(f"1{which:02b}{length}{value:0{_VALUE_BITS}b}")
            left -= count
        value = 255 - value
    packed = "".join(bits)
    packed += "0" * (-len(packed) % 8)
    return list(int(packed, 2).to_bytes(len(packed) // 8, "big"))
