"""ReasonSeg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.benchmarks import (
    FILE_AGAIN,
    LoadedSplit,
    ProblemList,
    Problems,
    Sample,
    SplitReader,
    SplitVideo,
    Truth,
    VideoPlace,
    is_plain_name,
    list_pictures,
    make_split,
    read_picture_size,
)
from videoseg.files import read_bytes
from videoseg.metrics import protocol_named
from videoseg.text import parse_json
from videoseg.types import Rle
from videoseg_benchmarks.coco_images import MAX_COORDINATE, is_coordinate, is_drawable
from videoseg_benchmarks.videos import UncheckedVideo

__all__ = ["ReasonSeg"]


class ReasonSeg(SplitReader):
    """ReasonSeg: reasoning queries on images (Lai et al., LISA, CVPR 2024).

    ::

        <root>/{val,test,train}/<image>.jpg
                                <image>.json

    ``root`` may also hold a folder ``ReasonSeg`` with these. A JSON has ``shapes``, polygons with
    the label ``target``, ``ignore`` or ``flag``; ``text``, a list of sentences; and
    ``is_sentence``. It is UTF-8 or Windows-1252. Polygons are filled with their outline from the
    largest to the smallest, so that a smaller one is on top; pixels of ``ignore`` are not
    scored and ``flag`` is skipped. Polygons are cut off at the edge of the image. An image is a
    video of one frame. Validation and test use the first sentence, as LISA does; training uses
    all of them. Groups: short (a phrase) and long (a sentence).

    Args:
        check_pictures: Whether the images must exist. Only they give the size of the masks:
            without them there is no truth either.
    """

    name = "reasonseg"
    splits = ("val", "test", "train")
    license = "none stated where it is published; ask its owners"
    homepage = "https://github.com/dvlab-research/LISA"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split
        if not folder.is_dir():
            folder = root / "ReasonSeg" / split
        samples: list[Sample] = []
        videos: dict[str, VideoPlace] = {}
        shapes: dict[str, tuple[_Shape, ...]] = {}
        for name, file in _images(folder, problems, self.check_pictures).items():
            odd = problems.entry()
            place: VideoPlace = UncheckedVideo(folder, (name,))
            if self.check_pictures:
                size = read_picture_size(folder / file, odd)
                if size is None:
                    continue
                place = SplitVideo(folder, (file,), (name,), size)
            entry = _annotation(folder / f"{name}.json", odd)
            if entry is None:
                continue
            videos[name] = place
            shapes[name] = entry.shapes
            texts = enumerate(entry.texts if split == "train" else entry.texts[:1])
            for number, text in texts:
                if isinstance(text, str) and text.strip():
                    group = "long" if entry.is_sentence else "short"
                    samples.append(Sample(name, str(number), text.strip(), group=group))
                else:
                    problems.leave_out(
                        folder / f"{name}.json", f"sentence {number} has no text", fix=FILE_AGAIN
                    )
        return make_split(
            problems,
            protocol=protocol_named("reasonseg"),
            samples=samples,
            videos=videos,
            truths=_PolygonTruths(shapes),
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    points: tuple[tuple[float, float], ...]
    ignored: bool


@dataclass(frozen=True, slots=True)
class _Annotation:
    texts: tuple[Any, ...]
    is_sentence: bool
    shapes: tuple[_Shape, ...]


class _PolygonTruths:
    def __init__(self, shapes: Mapping[str, tuple[_Shape, ...]]) -> None:
        self._shapes = shapes

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Draw the polygons of an image; see ``TruthSource``."""
        import cv2

        drawn = []
        for shape in self._shapes[sample.video_id]:
            # Whole pixels, cut off as the published code does.
            points = [np.asarray(shape.points).astype(np.int32)]
            mask = np.zeros(video.size, dtype=np.uint8)
            cv2.polylines(mask, points, True, 1, 1)
            cv2.fillPoly(mask, points, 1)
            drawn.append((mask.astype(bool), shape.ignored))
        target = np.zeros(video.size, dtype=bool)
        ignored = np.zeros(video.size, dtype=bool)
        for mask, is_ignored in sorted(drawn, key=lambda one: -int(one[0].sum())):
            target[mask], ignored[mask] = not is_ignored, is_ignored
        return Truth(
            size=video.size,
            frames=(0,),
            objects={1: (Rle.encode(target),)},
            ignored=(Rle.encode(ignored),) if ignored.any() else None,
        )


def _images(folder: Path, problems: Problems, check_pictures: bool) -> dict[str, str]:
    """Return the file of every image by its name, or of every annotation."""
    try:
        if check_pictures:
            found = list_pictures(folder)
        else:
            names = (entry.stem for entry in folder.iterdir() if entry.suffix == ".json")
            found = {name: f"{name}.jpg" for name in sorted(names)}
    except OSError as error:
        problems.add(
            folder,
            f"cannot be listed ({error.strerror or error})",
            fix="give the folder that holds train, val and test",
        )
        return {}
    if not found:
        problems.add(
            folder,
            f"has no {'pictures' if check_pictures else 'annotations'}",
            fix="download the benchmark again",
        )
    return {name: file for name, file in found.items() if is_plain_name(name)}


def _annotation(path: Path, odd: ProblemList) -> _Annotation | None:
    try:
        data = read_bytes(path)
    except OSError as error:
        odd.add(path, f"cannot be read ({error.strerror or error})", fix=FILE_AGAIN)
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    try:
        document = parse_json(text)
    except ValueError as error:
        odd.add(path, f"is not valid JSON ({error})", fix=FILE_AGAIN)
        return None
    texts = document.get("text") if isinstance(document, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts:
        odd.add(path, "needs 'text', a list of sentences", fix=FILE_AGAIN)
        return None
    values = document.get("shapes")
    if not isinstance(values, list):
        odd.add(path, "needs 'shapes', a list of polygons", fix=FILE_AGAIN)
        return None
    shapes: list[_Shape] = []
    for value in values:
        label = value.get("label") if isinstance(value, dict) else None
        label = label.lower() if isinstance(label, str) else ""
        if label == "flag":
            continue
        points = _points(value.get("points") if isinstance(value, dict) else None)
        if points is None:
            reason = (
                "has a shape whose 'points' are not a list of points x, y up to "
                f"{MAX_COORDINATE} pixels, or too long an outline"
            )
            odd.add(path, reason, fix=FILE_AGAIN)
            return None
        shapes.append(_Shape(points, ignored="ignore" in label))
    return _Annotation(tuple(texts), bool(document.get("is_sentence")), tuple(shapes))


def _points(values: Any) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(values, list) or not values:
        return None
    points: list[tuple[float, float]] = []
    for value in values:
        if not (isinstance(value, list) and len(value) == 2):
            return None
        if not all(type(one) in {int, float} and is_coordinate(one) for one in value):
            return None
        points.append((float(value[0]), float(value[1])))
    return tuple(points) if is_drawable(points) else None
