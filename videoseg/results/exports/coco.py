"""JSON files with COCO run-length encodings: instances of pictures, and tracks of videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.files import write_file
from videoseg.results.exports.job import ExportJob, category_of
from videoseg.text import show_path

__all__ = ["export_coco", "export_youtube_vis"]

_KEYS = ("images", "annotations", "categories")

# What entries of the file must have to be told apart and extended.
_FIELDS: dict[str, dict[str, type]] = {
    "videos": {"id": int, "name": str},
    "images": {"id": int},
    "annotations": {"id": int, "image_id": int},
    "categories": {"id": int, "name": str},
}


def export_coco(job: ExportJob) -> Path:
    """Write instances: an image for each frame, an annotation for each object on each frame.

    ``annotations/instances_default.json`` is shared by all videos of a folder. ``file_name`` is
    ``<sequence>/<frame>.jpg``, relative to ``images``. Beyond the format, images have
    ``video_id`` and ``frame_index``, annotations ``track_id``, which is unique in the file, and
    ``object_id``, that of the result.
    """
    path = job.root / "annotations" / "instances_default.json"
    if job.frames:
        # So that a file that cannot be extended stops the export before frames are written.
        _read_instances(path, job)
        with job.folder(job.root / "images" / job.sequence, [".jpg"]) as (stage, tell):
            job.write_frames(stage, tell)
    with job.sharing(path):
        document = _read_instances(path, job)
        _remove_video(document, job.sequence)
        _add_video(document, job)
        write_file(path, json.dumps(document, ensure_ascii=False))
    return path


def _read_instances(path: Path, job: ExportJob) -> dict[str, Any]:
    """Return the document, in which the video may be replaced if it is there.

    Raises:
        OutputError: If it has the video, which is not to be replaced, or is no such document.
    """
    document = job.read_document(path, _KEYS, "a file of COCO instances") or _empty_document()
    document.setdefault("videos", [])
    for key, fields in _FIELDS.items():
        if not isinstance(document[key], list) or not all(
            isinstance(entry, dict)
            and all(isinstance(entry.get(name), kind) for name, kind in fields.items())
            for entry in document[key]
        ):
            raise OutputError(
                f"{show_path(path)} is not a file of COCO instances that can be extended: each "
                f"of its {key} needs {' and '.join(fields)}; choose another folder"
            )
    if not job.overwrite and any(each["name"] == job.sequence for each in document["videos"]):
        raise OutputError(
            f"{show_path(path)} already has the video {job.sequence}; choose another folder or "
            "pass overwrite=True"
        )
    return document


def _empty_document() -> dict[str, Any]:
    return {
        "info": {"description": "masks of videoseg", "contributor": "videoseg"},
        "licenses": [],
        "videos": [],
        "images": [],
        "annotations": [],
        "categories": [],
    }


def _remove_video(document: dict[str, Any], name: str) -> None:
    gone = {video["id"] for video in document["videos"] if video["name"] == name}
    images = {each["id"] for each in document["images"] if each.get("video_id") in gone}
    document["videos"] = [each for each in document["videos"] if each["id"] not in gone]
    document["images"] = [each for each in document["images"] if each["id"] not in images]
    document["annotations"] = [
        each for each in document["annotations"] if each["image_id"] not in images
    ]


def _next_id(entries: list[dict[str, Any]], key: str = "id") -> int:
    return 1 + max((entry.get(key, 0) for entry in entries), default=0)


def _add_video(document: dict[str, Any], job: ExportJob) -> None:
    facts, height, width = job.facts, *job.facts.size
    video_id = _next_id(document["videos"])
    document["videos"].append(
        {"id": video_id, "name": job.sequence, "fps": facts.fps, "length": facts.num_frames}
    )
    categories = {each["name"]: each["id"] for each in document["categories"]}
    for track in job.segmentation.tracks:
        label = category_of(track)
        if label not in categories:
            categories[label] = _next_id(document["categories"])
            document["categories"].append(
                {"id": categories[label], "name": label, "supercategory": ""}
            )
    first_image = _next_id(document["images"])
    document["images"] += [
        {
            "id": first_image + frame,
            "file_name": f"{job.sequence}/{name}.jpg",
            "width": width,
            "height": height,
            "video_id": video_id,
            "frame_index": frame,
        }
        for frame, name in job.named_frames
    ]
    first_track = _next_id(document["annotations"], "track_id")
    scores = _scores(job)
    annotation_id = _next_id(document["annotations"])
    track_ids = {each: first_track + k for k, each in enumerate(job.segmentation.object_ids)}
    for frame in job.segmentation.frames:
        for track, rle, box in job.shown(frame):
            annotation: dict[str, Any] = {
                "id": annotation_id,
                "image_id": first_image + frame,
                "category_id": categories[category_of(track)],
                "segmentation": rle.to_coco(),
                "bbox": [box.x1, box.y1, box.width, box.height],
                "area": rle.area,
                "iscrowd": 0,
                "track_id": track_ids[track.object_id],
                "object_id": track.object_id,
            }
            if track.object_id in scores:
                annotation["score"] = scores[track.object_id]
            document["annotations"].append(annotation)
            annotation_id += 1


def _scores(job: ExportJob) -> dict[int, float]:
    prompts = job.segmentation.grounding.prompts
    return {each.object_id: each.score for each in prompts if each.score is not None}


def export_youtube_vis(job: ExportJob) -> Path:
    """Write one file for the video, with an annotation for each object over all frames.

    ``segmentations``, ``bboxes`` (x, y, width, height) and ``areas`` have an entry for each
    frame, null where the object is not visible.
    """
    path = job.root / f"{job.sequence}.json"
    job.check_free(path)
    facts = job.facts
    shape = {"width": facts.size[1], "height": facts.size[0], "length": facts.num_frames}
    labels = sorted({category_of(track) for track in job.segmentation.tracks})
    scores = _scores(job)
    annotations = []
    for track in job.segmentation.tracks:
        boxes = [None if rle is None else rle.box for rle in track.masks]
        annotations.append(
            {
                "id": track.object_id,
                "video_id": 1,
                "category_id": labels.index(category_of(track)) + 1,
                "iscrowd": 0,
                "score": scores.get(track.object_id),
                **shape,
                "segmentations": [None if rle is None else rle.to_coco() for rle in track.masks],
                "bboxes": [box and [box.x1, box.y1, box.width, box.height] for box in boxes],
                "areas": [None if rle is None else rle.area for rle in track.masks],
            }
        )
    document: dict[str, Any] = {
        "info": {"description": job.segmentation.query, "contributor": "videoseg"},
        "videos": [
            {
                "id": 1,
                "name": job.sequence,
                **shape,
                "fps": facts.fps,
                "file_names": [f"{job.sequence}/{name}.jpg" for name in job.frame_names],
            }
        ],
        "categories": [{"id": place, "name": text} for place, text in enumerate(labels, 1)],
        "annotations": annotations,
    }
    write_file(path, json.dumps(document, ensure_ascii=False))
    return path
