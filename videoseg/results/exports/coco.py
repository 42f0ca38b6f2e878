"""JSON files with COCO run-length encodings: instances of pictures, and tracks of videos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.files import write_file
from videoseg.results.exports.job import ExportJob, category_of
from videoseg.results.exports.shared import read_document
from videoseg.text import format_count, show_path

__all__ = ["export_coco", "export_youtube_vis"]

_KEYS = ("images", "annotations", "categories")

# What entries of the file must have to be told apart and extended.
_FIELDS: dict[str, dict[str, type]] = {
    "videos": {"id": int, "name": str},
    "images": {"id": int},
    "annotations": {"id": int, "image_id": int},
    "categories": {"id": int, "name": str},
}


@dataclass(frozen=True)
class _Instances:
    """What a video adds to a file of instances; ids are given when the file is written.

    Args:
        video: Without an id.
        tracks: The name of the category of each object.
        images: Without ids, by frame.
        annotations: Without ids, each with its frame and the name of its category.
        overwrite: Whether a video of the same name is replaced.
    """

    video: dict[str, Any]
    tracks: dict[int, str]
    images: dict[int, dict[str, Any]]
    annotations: list[tuple[int, str, dict[str, Any]]]
    overwrite: bool


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
        there = job.shared.read_once(path, _read_names)
        _check_new(path, there, () if job.overwrite else [job.sequence])
        with job.folder(job.root / "images" / job.sequence, [".jpg"]) as (stage, tell):
            job.write_frames(stage, tell)
    job.shared.add(path, job.sequence, _describe(job), _add_videos)
    return path


def _read_instances(path: Path) -> dict[str, Any]:
    """Return the document; an empty one if there is no file.

    Raises:
        OutputError: If it is no such document.
    """
    document = read_document(path, _KEYS, "a file of COCO instances") or _empty_document()
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
    return document


def _read_names(path: Path) -> frozenset[str]:
    return frozenset(video["name"] for video in _read_instances(path)["videos"])


def _check_new(path: Path, names: Set[str], new: Iterable[str]) -> None:
    """Raise an error if the file, which has videos of these names, has one that must be new."""
    if there := [name for name in new if name in names]:
        more = "" if len(there) == 1 else f" and {format_count(len(there) - 1, 'other')}"
        raise OutputError(
            f"{show_path(path)} already has the video {there[0]}{more}; choose another folder or "
            "pass overwrite=True"
        )


def _empty_document() -> dict[str, Any]:
    return {
        "info": {"description": "masks of videoseg", "contributor": "videoseg"},
        "licenses": [],
        "videos": [],
        "images": [],
        "annotations": [],
        "categories": [],
    }


def _describe(job: ExportJob) -> _Instances:
    height, width = job.facts.size
    images: dict[int, dict[str, Any]] = {
        frame: {
            "file_name": f"{job.sequence}/{name}.jpg",
            "width": width,
            "height": height,
            "frame_index": frame,
        }
        for frame, name in job.named_frames
    }
    scores = _scores(job)
    annotations = []
    for frame in job.segmentation.frames:
        for track, rle, box in job.shown(frame):
            annotation: dict[str, Any] = {
                "segmentation": rle.to_coco(),
                "bbox": [box.x1, box.y1, box.width, box.height],
                "area": rle.area,
                "iscrowd": 0,
                "object_id": track.object_id,
            }
            if track.object_id in scores:
                annotation["score"] = scores[track.object_id]
            annotations.append((frame, category_of(track), annotation))
    return _Instances(
        {"name": job.sequence, "fps": job.facts.fps, "length": job.facts.num_frames},
        {track.object_id: category_of(track) for track in job.segmentation.tracks},
        images,
        annotations,
        job.overwrite,
    )


def _add_videos(path: Path, videos: Mapping[str, _Instances]) -> None:
    """Write the document with these videos, in place of those of the same names."""
    document = _read_instances(path)
    there = {video["name"] for video in document["videos"]}
    _check_new(path, there, [name for name, added in videos.items() if not added.overwrite])
    if not there.isdisjoint(videos):
        _remove_videos(document, videos.keys())
    next_ids = {
        "video": _next_id(document["videos"]),
        "image": _next_id(document["images"]),
        "annotation": _next_id(document["annotations"]),
        "track": _next_id(document["annotations"], "track_id"),
        "category": _next_id(document["categories"]),
    }
    categories = {each["name"]: each["id"] for each in document["categories"]}
    for added in videos.values():
        _add_video(document, added, next_ids, categories)
    write_file(path, _parts_of(document))


def _parts_of(document: dict[str, Any]) -> Iterator[str]:
    """Yield the text of the document, so that it is never in memory as a whole."""
    before = "{"
    for key, value in document.items():
        yield f"{before}{json.dumps(key, ensure_ascii=False)}: "
        before = ", "
        if not isinstance(value, list):
            yield json.dumps(value, ensure_ascii=False)
            continue
        yield "["
        for place, entry in enumerate(value):
            yield (", " if place else "") + json.dumps(entry, ensure_ascii=False)
        yield "]"
    yield "}"


def _remove_videos(document: dict[str, Any], names: Set[str]) -> None:
    gone = {video["id"] for video in document["videos"] if video["name"] in names}
    images = {each["id"] for each in document["images"] if each.get("video_id") in gone}
    document["videos"] = [each for each in document["videos"] if each["id"] not in gone]
    document["images"] = [each for each in document["images"] if each["id"] not in images]
    document["annotations"] = [
        each for each in document["annotations"] if each["image_id"] not in images
    ]


def _next_id(entries: list[dict[str, Any]], key: str = "id") -> int:
    # Other tools put texts or nulls where the format has no field of its own.
    values = (entry.get(key) for entry in entries)
    return 1 + max((value for value in values if isinstance(value, int)), default=0)


def _add_video(
    document: dict[str, Any],
    added: _Instances,
    next_ids: dict[str, int],
    categories: dict[str, int],
) -> None:
    def take(kind: str) -> int:
        next_ids[kind] += 1
        return next_ids[kind] - 1

    video_id = take("video")
    document["videos"].append({"id": video_id, **added.video})
    for label in added.tracks.values():
        if label not in categories:
            categories[label] = take("category")
            document["categories"].append(
                {"id": categories[label], "name": label, "supercategory": ""}
            )
    image_ids = {frame: take("image") for frame in added.images}
    document["images"] += [
        {"id": image_ids[frame], "video_id": video_id, **image}
        for frame, image in added.images.items()
    ]
    track_ids = {object_id: take("track") for object_id in added.tracks}
    document["annotations"] += [
        {
            "id": take("annotation"),
            "image_id": image_ids[frame],
            "category_id": categories[label],
            "track_id": track_ids[annotation["object_id"]],
            **annotation,
        }
        for frame, label, annotation in added.annotations
    ]


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
