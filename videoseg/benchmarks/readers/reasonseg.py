"""ReasonSeg."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videoseg.benchmarks.coco_images import is_drawable
from videoseg.benchmarks.names import is_plain_name
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.pictures import picture_size, pictures_by_name
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.split import LoadedSplit, SplitVideo
from videoseg.benchmarks.types import Sample, Truth
from videoseg.metrics.protocols import REASONSEG
from videoseg.types import Rle, Size

__all__ = ["ReasonSeg"]

_MARGIN = 64
_AGAIN = "download the file again, or correct it"


class ReasonSeg:
    """ReasonSeg: reasoning queries on images (Lai et al., LISA, CVPR 2024).

    ::

        <root>/{val,test,train}/<image>.jpg
                                <image>.json

    ``root`` may also hold a folder ``ReasonSeg`` with these. A JSON has ``shapes``, polygons with
    the label ``target``, ``ignore`` or ``flag``; ``text``, a list of sentences; and
    ``is_sentence``. It is UTF-8 or Windows-1252. Polygons are filled with their outline from the
    largest to the smallest, so that a smaller one lies on top; pixels of ``ignore`` are not
    judged and ``flag`` means nothing. An image is a video of one frame. Validation and test ask
    the first sentence, as LISA does; training asks each. Groups: short (a phrase) and long (a
    sentence).
    """

    name = "reasonseg"
    splits = ("val", "test", "train")
    license = "none stated where it is published; ask its owners"
    homepage = "https://github.com/dvlab-research/LISA"
    submission = None

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        problems = Problems(f"{self.name}/{split}", root)
        folder = root / split
        if not folder.is_dir():
            folder = root / "ReasonSeg" / split
        samples: list[Sample] = []
        videos: dict[str, SplitVideo] = {}
        shapes: dict[str, tuple[_Shape, ...]] = {}
        for name, file in _pictures(folder, problems).items():
            size = picture_size(folder / file, problems)
            entry = _annotation(folder / f"{name}.json", size, problems)
            if size is None or entry is None:
                continue
            videos[name] = SplitVideo(folder, (file,), (name,), size)
            shapes[name] = entry.shapes
            texts = entry.texts if split == "train" else entry.texts[:1]
            group = "long" if entry.is_sentence else "short"
            samples += [
                Sample(name, str(place), text, group=group) for place, text in enumerate(texts)
            ]
        problems.raise_any()
        return LoadedSplit(
            problems.subject,
            protocol=REASONSEG,
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
    texts: tuple[str, ...]
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


def _pictures(folder: Path, problems: Problems) -> dict[str, str]:
    try:
        found = pictures_by_name(folder)
    except OSError as error:
        problems.add(
            folder,
            f"cannot be listed ({error.strerror or error})",
            fix="give the folder that holds train, val and test",
        )
        return {}
    if not found:
        problems.add(folder, "has no pictures", fix="download the benchmark again")
    return {name: file for name, file in found.items() if is_plain_name(name)}


def _annotation(path: Path, size: Size | None, problems: Problems) -> _Annotation | None:
    try:
        data = path.read_bytes()
        try:
            document = json.loads(data)
        except UnicodeDecodeError:
            document = json.loads(data.decode("cp1252"))
    except OSError as error:
        problems.add(path, f"cannot be read ({error.strerror or error})", fix=_AGAIN)
        return None
    except (ValueError, RecursionError) as error:
        problems.add(path, f"is not valid JSON ({str(error)[:100]})", fix=_AGAIN)
        return None
    texts = document.get("text") if isinstance(document, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(_is_text(text) for text in texts):
        problems.add(path, "needs 'text', a list of sentences", fix=_AGAIN)
        return None
    values = document.get("shapes")
    if not isinstance(values, list):
        problems.add(path, "needs 'shapes', a list of polygons", fix=_AGAIN)
        return None
    shapes: list[_Shape] = []
    for value in values:
        label = str(value.get("label", "")).lower() if isinstance(value, dict) else ""
        if label == "flag":
            continue
        points = _points(value.get("points") if isinstance(value, dict) else None, size)
        if points is None:
            problems.add(path, "has a shape whose 'points' are none within the image", fix=_AGAIN)
            return None
        shapes.append(_Shape(points, ignored="ignore" in label))
    return _Annotation(
        tuple(text.strip() for text in texts), bool(document.get("is_sentence")), tuple(shapes)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _points(values: Any, size: Size | None) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(values, list) or not values or size is None:
        return None
    points: list[tuple[float, float]] = []
    for value in values:
        if not (isinstance(value, list) and len(value) == 2):
            return None
        x, y = value
        if not all(type(one) in {int, float} and math.isfinite(one) for one in (x, y)):
            return None
        if not (-_MARGIN <= x <= size[1] + _MARGIN and -_MARGIN <= y <= size[0] + _MARGIN):
            return None
        points.append((float(x), float(y)))
    return tuple(points) if is_drawable(points) else None
