"""Images of COCO with their regions: ``instances.json`` and what refers to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.benchmarks.json_files import read_mapping
from videoseg.benchmarks.names import is_plain_name
from videoseg.benchmarks.pictures import picture_size, pictures_by_name
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rles import RunChecker, rle_of, rle_problem
from videoseg.benchmarks.split import SplitVideo
from videoseg.benchmarks.types import Sample, Truth
from videoseg.masks import union_of_rles
from videoseg.types import FloatArray, Rle, Size

__all__ = [
    "RegionTruths",
    "images_folder",
    "is_drawable",
    "locate_images",
    "read_instances",
    "region_problem",
]

# Published polygons leave the image by a few pixels; tracing one takes memory by its length.
_MARGIN = 64
_MAX_OUTLINE = 2_000_000
_AGAIN = "download the annotations again"


class RegionTruths:
    """Truth of images: every sample is the union of some annotated regions.

    Args:
        regions: For each annotation id its polygons or COCO RLE; already checked.
        annotations: For each sample's id the annotations it means; none: no target.
    """

    def __init__(
        self, regions: Mapping[int, Any], annotations: Mapping[str, Sequence[int]]
    ) -> None:
        self._regions = regions
        self._annotations = annotations

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Return the regions a sample means, each as one object on the one frame."""
        wanted = self._annotations[sample.id]
        repeated = [_repeated(self._regions[one], video.size) for one in wanted]
        return Truth(
            size=video.size,
            frames=(0,),
            objects={one: (_region(self._regions[one], video.size),) for one in wanted},
            repeated=(union_of_rles(repeated, size=video.size),) if any(repeated) else None,
        )


def read_instances(path: Path, problems: Problems) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the images and the annotations of a COCO file, each by id."""
    document = read_mapping(path, problems)
    if document is None:
        return {}, {}
    return (
        _by_id(path, document.get("images"), "images", problems),
        _by_id(path, document.get("annotations"), "annotations", problems),
    )


def images_folder(root: Path, problems: Problems) -> Path:
    """Return the folder of the training images of COCO 2014, wherever it commonly lies."""
    places = [
        base / inner
        for base in (root, root.parent)
        for inner in ("images/mscoco/images/train2014", "images/train2014", "train2014")
    ]
    places.append(root.parent / "coco" / "train2014")
    for place in places:
        if place.is_dir():
            return place
    problems.add(
        places[0],
        "is no folder, nor is there a train2014 beside the annotations",
        fix="put or link the images train2014 of COCO there",
    )
    return places[0]


def locate_images(
    path: Path,
    entries: Iterable[tuple[int, Any]],
    folder: Path,
    problems: Problems,
) -> dict[int, SplitVideo]:
    """Find images, each a video of one frame, and check their sizes.

    Args:
        path: The file that lists them.
        entries: (id, COCO's entry with ``file_name``, ``height``, ``width``) of those wanted.
        folder: Where the pictures lie.
        problems: Where what is wrong is noted.
    """
    try:
        present = set(pictures_by_name(folder).values()) if folder.is_dir() else set()
    except OSError as error:
        problems.add(folder, f"cannot be listed ({error.strerror or error})", fix="check it")
        return {}
    found: dict[int, SplitVideo] = {}
    for image_id, entry in entries:
        file = entry.get("file_name") if isinstance(entry, dict) else None
        size = (entry.get("height"), entry.get("width")) if isinstance(entry, dict) else (0, 0)
        if not isinstance(file, str) or not is_plain_name(file):
            problems.add(
                path,
                f"image {image_id} has the file name {str(file)[:80]!r}, which is none",
                fix="do not trust this file; download it again",
            )
        elif present and file not in present:
            problems.add(folder / file, "is missing", fix="download the images train2014")
        elif present:
            actual = picture_size(folder / file, problems)
            if actual is not None and actual != size:
                problems.add(
                    folder / file,
                    f"is {actual[0]}x{actual[1]} but {path.name} says {size[0]}x{size[1]}",
                    fix="use the original images, not resized",
                )
            elif actual is not None:
                name = file.rpartition(".")[0]
                found[image_id] = SplitVideo(folder, (file,), (name,), actual)
    return found


def region_problem(value: Any, size: Size) -> str | None:
    """Say what is wrong with a region, or return None; nothing is drawn."""
    if isinstance(value, dict):
        problem = rle_problem(value, size)
        if problem is not None:
            return problem
        bad: list[str] = []
        checker = RunChecker()
        checker.add(value, size, None)
        checker.finish(lambda _place, what: bad.append(what))
        return bad[0] if bad else None
    if not isinstance(value, list) or not value:
        return "a region must be a list of polygons or a COCO RLE"
    return next((p for polygon in value if (p := _polygon_problem(polygon, size))), None)


def _polygon_problem(polygon: Any, size: Size) -> str | None:
    if not isinstance(polygon, list) or len(polygon) < 4 or len(polygon) % 2:
        return "a polygon must be a list x1, y1, x2, y2, ... of at least two points"
    if not all(type(one) in {int, float} and math.isfinite(one) for one in polygon):
        return "the coordinates of a polygon must be finite numbers"
    points = np.asarray(polygon, dtype=float).reshape(-1, 2)
    limits = np.asarray((size[1], size[0])) + _MARGIN
    if (points < -_MARGIN).any() or (points > limits).any():
        return f"a polygon leaves its {size[0]}x{size[1]} image by more than {_MARGIN} pixels"
    if not is_drawable(points):
        return f"the outline of a polygon is longer than {_MAX_OUTLINE} pixels"
    return None


def is_drawable(points: Sequence[Sequence[float]] | FloatArray) -> bool:
    """Return whether the outline through points (x, y) is short enough to be traced."""
    steps = np.diff(np.asarray(points, dtype=float), axis=0)
    return float(np.abs(steps).sum()) <= _MAX_OUTLINE


def _region(value: Any, size: Size) -> Rle | None:
    if isinstance(value, dict):
        return rle_of(value, size)
    from pycocotools import mask as coco

    parts = _parts(value, size)
    return Rle(size, coco.merge(parts)["counts"].decode("ascii")) if parts else None


def _repeated(value: Any, size: Size) -> Rle | None:
    """Return what more than one polygon of a region covers; None for nothing."""
    parts = [] if isinstance(value, dict) else _parts(value, size)
    if len(parts) < 2:
        return None
    from pycocotools import mask as coco

    if coco.area(parts).sum() == coco.area(coco.merge(parts)):
        return None
    return Rle.encode(coco.decode(parts).sum(axis=2, dtype=np.int64) > 1)


def _parts(polygons: Any, size: Size) -> list[Any]:
    from pycocotools import mask as coco

    # Two points are no area; pycocotools would take four numbers for a box.
    drawn = [polygon for polygon in polygons if len(polygon) >= 6]
    return list(coco.frPyObjects(drawn, size[0], size[1])) if drawn else []


def _by_id(path: Path, values: Any, what: str, problems: Problems) -> dict[int, Any]:
    found: dict[int, Any] = {}
    if not isinstance(values, list):
        problems.add(path, f"has no list {what!r}", fix=_AGAIN)
        return found
    for value in values:
        if isinstance(value, dict) and type(value.get("id")) is int:
            found[value["id"]] = value
        else:
            problems.add(path, f"has an entry without 'id' in {what!r}", fix=_AGAIN)
    return found
