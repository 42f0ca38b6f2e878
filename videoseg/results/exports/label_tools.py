"""Files for labeling tools: CVAT's XML for videos, and tasks of Label Studio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from videoseg.files import write_file
from videoseg.masks import joined_outline
from videoseg.results.exports.job import ExportJob
from videoseg.types import BoolArray

__all__ = ["encode_brush", "export_cvat", "export_label_studio"]

# CVAT and Label Studio refuse names of labels with characters that XML does not have.
_UNPRINTABLE = dict.fromkeys(range(32))

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
    for place, track in enumerate(job.segmentation.tracks):
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
        ("name", job.sequence.translate(_UNPRINTABLE)),
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
    return label.translate(_UNPRINTABLE).strip() or "object"


def export_label_studio(job: ExportJob) -> Path:
    """Write ``<sequence>.json``, a task for each frame with its masks as brush predictions.

    Frames stand in ``images/<sequence>`` and are named as Label Studio's local storage does it,
    with ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`` set to the folder of the export.
    ``labeling.xml`` is the configuration of a project for them, with the labels of this video.
    """
    path = job.root / f"{job.sequence}.json"
    job.check_free(path)
    job.require_video("Label Studio")
    with job.folder(job.root / "images" / job.sequence, [".jpg"]) as (stage, tell):
        job.write_frames(stage, tell)
    write_file(path, json.dumps(list(_tasks(job)), ensure_ascii=False))
    write_file(job.root / "labeling.xml", _labeling(job))
    return path


def _tasks(job: ExportJob) -> Iterator[dict[str, Any]]:
    height, width = job.facts.size
    scores = {prompt.object_id: prompt.score for prompt in job.segmentation.grounding.prompts}
    for frame, name in enumerate(job.frame_names):
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


def _labeling(job: ExportJob) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = ElementTree.SubElement(view, "BrushLabels", name="masks", toName="image")
    for name in sorted({_label(track.label) for track in job.segmentation.tracks} or {"object"}):
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
