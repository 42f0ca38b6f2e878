"""Images and regions of COCO: ``instances.json``, the pictures, and truth made of regions."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    ProblemList,
    Problems,
    Sample,
    SplitVideo,
    Truth,
    find_rle_problem,
    is_plain_name,
    list_pictures,
    parse_rle,
    read_mapping,
)
from videoseg.masks import union_of_rles
from videoseg.text import shorten
from videoseg.types import FloatArray, Rle, RunChecker, Size
from videoseg_benchmarks.videos import matching_size

__all__ = [
    "MAX_COORDINATE",
    "RegionTruths",
    "is_coordinate",
    "is_drawable",
    "locate_images",
    "read_instances",
    "region_problem",
]

MAX_COORDINATE = 2**20
"""Largest distance of a point from the corner of its picture, in pixels."""

# Regions are cut off at the edge of the picture, as in published code. Tracing an outline takes
# memory proportional to its length, in pixels.
_MAX_OUTLINE = 2_000_000


class RegionTruths:
    """Truth of images: each sample is the union of annotated regions.

    Args:
        regions: For each annotation id its polygons or COCO RLE; already checked.
        annotations: For each sample's id the annotations it refers to; empty: no target.
    """

    def __init__(
        self, regions: Mapping[int, Any], annotations: Mapping[str, Sequence[int]]
    ) -> None:
        self._regions = regions
        self._annotations = annotations

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Return the regions a sample refers to, each as one object on the only frame."""
        wanted = self._annotations[sample.id]
        repeated = [_repeated(self._regions[one], video.size) for one in wanted]
        return Truth(
            size=video.size,
            frames=(0,),
            objects={one: (_region(self._regions[one], video.size),) for one in wanted},
            repeated=(union_of_rles(repeated, size=video.size),) if any(repeated) else None,
        )


def read_instances(path: Path, problems: Problems) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the images and the annotations of a COCO file, each by id.

    Entries without an id are skipped; references to them are left out.
    """
    document = read_mapping(path, problems)
    if document is None:
        return {}, {}
    return (
        _by_id(path, document.get("images"), "images", problems),
        _by_id(path, document.get("annotations"), "annotations", problems),
    )


def locate_images(
    path: Path,
    entries: Mapping[int, Any],
    root: Path,
    problems: Problems,
    *,
    num_samples: Mapping[int, int],
    check_pictures: bool = True,
) -> dict[int, SplitVideo]:
    """Find images, each a video of one frame, and check their sizes; invalid ones are left out.

    Args:
        path: The file that lists them.
        entries: COCO's entry of each wanted id: ``file_name``, ``height``, ``width``.
        root: The folder that the user gave; the images train2014 of COCO are in or beside it.
        problems: Where problems are noted.
        num_samples: The number of samples of each image.
        check_pictures: Whether the pictures must exist.
    """
    usual = _image_folders(root)
    folder = next((place for place in usual if place.is_dir()), None)
    present: Collection[str] = ()
    try:
        present = set() if folder is None else set(list_pictures(folder).values())
    except OSError as error:
        if check_pictures:
            reason = f"cannot be listed ({error.strerror or error})"
            problems.add(folder or root, reason, fix="check it")
    if folder is None:
        folder = usual[0]
        if check_pictures:
            problems.add(
                folder,
                "is not a folder, and there is no train2014 beside the annotations",
                fix="put or link the images train2014 of COCO there",
            )
    found: dict[int, SplitVideo] = {}
    for image_id, entry in entries.items():
        file = entry.get("file_name") if isinstance(entry, dict) else None
        odd = problems.entry(num_samples[image_id])
        if not isinstance(file, str) or not is_plain_name(file):
            problems.add(
                path,
                f"image {image_id} has the file name {shorten(file)}, which cannot be used",
                fix="do not trust this file; download it again",
            )
        elif problems.count:
            # The benchmark is unreadable anyway; a line for every image would not help.
            continue
        elif check_pictures and file not in present:
            odd.add(folder / file, "is missing", fix="download the images train2014")
        else:
            picture = folder / file if check_pictures else None
            size = _image_size(path, image_id, entry, picture, odd)
            if size is not None:
                name = file.rpartition(".")[0]
                found[image_id] = SplitVideo(folder, (file,), (name,), size)
    return found


def _image_size(
    path: Path, image_id: int, entry: Mapping[str, Any], picture: Path | None, odd: ProblemList
) -> Size | None:
    size = (entry.get("height"), entry.get("width"))
    if not all(type(length) is int and 0 < length < 2**16 for length in size):
        odd.add(path, f"image {image_id} has the size {shorten(size)}", fix=ANNOTATIONS_AGAIN)
        return None
    expected: Size = (int(entry["height"]), int(entry["width"]))
    if picture is None:
        return expected
    return matching_size(picture, expected, odd, source=path.name, originals="original images")


def _image_folders(root: Path) -> list[Path]:
    """Return the usual places of the training images of COCO 2014."""
    places = [
        base / inner
        for base in (root, root.parent)
        for inner in ("images/mscoco/images/train2014", "images/train2014", "train2014")
    ]
    return [*places, root.parent / "coco" / "train2014"]


def region_problem(value: Any, size: Size) -> str | None:
    """Return what is wrong with a region, or None; nothing is drawn.

    An empty list of polygons is the empty region, as in published code.
    """
    if isinstance(value, dict):
        problem = find_rle_problem(value, size)
        if problem is not None:
            return problem
        bad: list[str] = []
        checker = RunChecker()
        checker.add(value, size, None)
        checker.finish(lambda _place, what: bad.append(what))
        return bad[0] if bad else None
    if not isinstance(value, list):
        return "a region must be a list of polygons or a COCO RLE"
    return next((p for polygon in value if (p := _polygon_problem(polygon))), None)


def _polygon_problem(polygon: Any) -> str | None:
    if not isinstance(polygon, list) or len(polygon) < 4 or len(polygon) % 2:
        return "a polygon must be a list x1, y1, x2, y2, ... of at least two points"
    if not all(type(one) in {int, float} and is_coordinate(one) for one in polygon):
        return f"the coordinates of a polygon must be numbers up to {MAX_COORDINATE}"
    points = np.asarray(polygon, dtype=float).reshape(-1, 2)
    if not is_drawable(points):
        return f"the outline of a polygon is longer than {_MAX_OUTLINE} pixels"
    return None


def is_coordinate(value: float) -> bool:
    """Return whether a number can be the coordinate of a point."""
    return math.isfinite(value) and abs(value) <= MAX_COORDINATE


def is_drawable(points: Sequence[Sequence[float]] | FloatArray) -> bool:
    """Return whether the outline through points (x, y) is short enough to be traced."""
    steps = np.diff(np.asarray(points, dtype=float), axis=0)
    return float(np.abs(steps).sum()) <= _MAX_OUTLINE


def _region(value: Any, size: Size) -> Rle | None:
    if isinstance(value, dict):
        return parse_rle(value, size)
    from pycocotools import mask as coco

    parts = _parts(value, size)
    return Rle(size, coco.merge(parts)["counts"].decode("ascii")) if parts else None


def _repeated(value: Any, size: Size) -> Rle | None:
    """Return the pixels that more than one polygon of a region covers; None if there are none."""
    parts = [] if isinstance(value, dict) else _parts(value, size)
    if len(parts) < 2:
        return None
    from pycocotools import mask as coco

    if coco.area(parts).sum() == coco.area(coco.merge(parts)):
        return None
    return Rle.encode(coco.decode(parts).sum(axis=2, dtype=np.int64) > 1)


def _parts(polygons: Any, size: Size) -> list[Any]:
    from pycocotools import mask as coco

    # Two points have no area; pycocotools would read four numbers as a box.
    drawn = [polygon for polygon in polygons if len(polygon) >= 6]
    return list(coco.frPyObjects(drawn, size[0], size[1])) if drawn else []


def _by_id(path: Path, values: Any, what: str, problems: Problems) -> dict[int, Any]:
    if not isinstance(values, list):
        problems.add(path, f"has no list {what!r}", fix=ANNOTATIONS_AGAIN)
        return {}
    return {
        value["id"]: value
        for value in values
        if isinstance(value, dict) and type(value.get("id")) is int
    }
